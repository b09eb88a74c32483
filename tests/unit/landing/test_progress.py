"""What a scanner tells: log lines, a bar on a terminal, a summary that travels as JSON."""

from __future__ import annotations

import io
import json
import re
import shlex

from landing.names import Reason
from landing.progress import Bar, Lines, Summary, progress_to


class Terminal(io.StringIO):
    def isatty(self):
        return True


def texts(stream) -> list[str]:
    """What the lines say, with their level where it is not that of what is normal."""
    found = [shlex.split(line) for line in stream.getvalue().splitlines()]
    fields = [dict(part.partition("=")[::2] for part in line) for line in found]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["time"]) and one["act"] == "scan" for one in fields)
    return [one["text"] if one["level"] == "info" else f"{one['level']} {one['text']}" for one in fields]


def test_log_lines():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.looked(0, 3)
    lines.looked(2, 1)
    lines.registered("prisma/expdata/a\nb", "/site/x", 1500)
    lines.already(1)
    lines.report("prisma/expdata/b: changed", alarm=True)
    lines.looked(1, 0)
    lines.registered("a", "/site/a", 1)
    lines.registered("b", "/site/b", 1)
    lines.already(2)
    lines.close()
    lines.close()
    assert texts(stream) == [
        "2 files complete, 1 waiting",
        "error prisma/expdata/b: changed",
        "archived before, with the same bytes: 1 file",
        "registered 1 file, 1.5 kB",
        "1 file complete, 0 waiting",
        "archived before, with the same bytes: 2 files",
        "registered 2 files, 2 bytes",
    ]


def test_a_bar_on_a_terminal():
    stream = Terminal()
    bar = progress_to(stream)
    assert isinstance(bar, Bar)
    bar.looked(3, 7)
    bar.already(2)
    bar.registered("a", "/site/a", 1)
    bar.report("[red]prisma[/red]/x: symbolic link", alarm=True)
    bar.close()
    assert "[red]prisma[/red]/x: symbolic link" in stream.getvalue()
    assert "3/10" in stream.getvalue()
    assert "7 waiting" in stream.getvalue()
    assert isinstance(progress_to(io.StringIO()), Lines)


def test_a_summary_travels_as_json():
    summary = Summary(registered=1, refused={Reason.SYMLINK: 2})
    told = json.loads(json.dumps(summary.as_dict()))
    assert (told["refused"], told["ok"]) == ({"symbolic link": 2}, False)


def test_a_summary_in_words():
    assert str(Summary()) == "0 registered (0 bytes), 0 archived before"
    whole = Summary(3, 2_500_000, 1, {"its end": 2}, {"symbolic link": 1}, alarms=1, failed=4, error="refused")
    assert str(whole) == (
        "3 registered (2.5 MB), 1 archived before, 2 waiting: its end, 1 refused: symbolic link, "
        "1 in the intake for a person to look at, 4 failed, zone not reached: refused"
    )


def test_files_may_wait_when_all_is_well():
    assert Summary(waiting={"its end": 1}).ok
    assert not any(
        one.ok for one in (Summary(refused={"x": 1}), Summary(alarms=1), Summary(failed=1), Summary(error="x"))
    )
