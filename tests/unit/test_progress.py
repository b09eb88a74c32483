"""What is told of a run that takes long, on a terminal and elsewhere."""

import time

from mrdata import progress
from mrdata.progress import Meter, amount, duration, rate, shown


def test_a_line_from_time_to_time_where_there_is_no_terminal(capsys):
    meter = Meter("verifying")
    meter.expect(1000, 5_000_000, earlier=(10, 1_000_000))
    with shown(meter, every=0.05) as step:
        meter.add(490, 1_500_000, 3)
        step()
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 5
    assert lines[0].startswith("mrdata: verifying: 500 of 1,000 objects, 2.5 MB of 5.0 MB, 3 files; ")
    assert "objects/s" in lines[0]
    assert lines[0].endswith(" left")


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    told = []
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    meter = Meter("verifying")
    meter.expect(2, 10)
    with shown(meter) as step:
        meter.add(1, 5, 0)
        told.append(meter.done)
        step()
    assert told == [(1, 2)]
    assert "mrdata:" not in capsys.readouterr().err


def test_what_is_left_is_foretold_from_what_is_done():
    meter = Meter("x")
    meter._began -= 100
    meter.expect(400, 0)
    assert "0 s left" in str(meter)
    meter.add(100, 0, 0)
    assert "5 min left" in str(meter)
    meter.add(300, 0, 0)
    assert "all objects done" in str(meter)
    meter.add(1, 0, 0)  # which came meanwhile
    assert meter.done == (401, 401)


def test_amounts():
    assert [amount(size) for size in (0, 999, 1000, 40e9, 3e15)] == ["0 bytes", "999 bytes", "1.0 kB", "40.0 GB", "3,000.0 TB"]
    assert [duration(seconds) for seconds in (0, 119, 121, 7200, 172801)] == ["0 s", "119 s", "2 min", "2 h", "2 days"]
    assert rate(10, 20_000, 2.0) == "5 objects/s, 10.0 kB/s"
    assert rate(0, 0, 0.0) == "0 objects/s, 0 bytes/s"
