"""The operator's board while a scanner sends, is silent, and when something is amiss; what monitors get."""

import json
import time
import urllib.request
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from forms import watch
from microservices.headers.header_reader import read_header
from policy import __version__
from policy.records import archived_volume, status_report
from policy.views import board_data
from policy.zone import Access
from policy.zone.context import Context
from tests.files import dicom, twix
from tests.zone.names import ALICE, PAIN, T3, T94


@pytest.fixture
def fresh(monkeypatch):
    """No look is shown twice."""
    monkeypatch.setattr(watch, "SECONDS", -1.0)


def told(site, *, landing_age: float = 0.0, **server: object) -> None:
    """The landing host and the server have told how they stand, so long ago."""
    zone, now = site.connect(), time.time()
    status_report.tell(zone, site.settings, "landing", {"time": now - landing_age, "files": {T94: 3, T3: 0}})
    disks = [{"names": ["archiveResc"], "total": 10**13, "free": 4 * 10**12}]
    status_report.tell(zone, site.settings, "server", {"time": now, "disks": disks, **server})


def get(served, path, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(served.address + path, headers=headers)) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_what_a_scanner_sends_is_seen_and_the_board_updates_itself(pages, site, fresh):
    told(site)
    new = site.register()
    pages.page.clock.install()
    pages.log_in(ALICE)
    pages.page.set_viewport_size({"width": 1920, "height": 1080})
    pages.page.click("nav >> text=Board")
    pages.shows("idle")
    tile = pages.page.locator("article", has=pages.page.locator("h2", has_text=T94))
    for number in range(4):
        site.land(f"{T94}/dicom/board{number}", dicom(new, instance=number + 1))
    pages.goes_on(12)
    pages.shows(new)
    assert "receiving" in tile.inner_text()
    assert "4 files in 10 minutes" in tile.inner_text()
    assert "3 wait in the landing zone" in tile.inner_text()
    assert "idle" in pages.page.locator("article", has=pages.page.locator("h2", has_text=T3)).inner_text()
    pages.looked_at("board")


def test_from_across_the_room(pages, site, fresh):
    """The words that matter are large: a 27-inch screen of 1920 x 1080 is read at 4 m from 30 pixels on."""
    told(site)
    new = site.register()
    site.land(f"{T94}/dicom/far", dicom(new))
    pages.log_in(ALICE)
    pages.page.set_viewport_size({"width": 1920, "height": 1080})
    pages.go("/board")
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    for selector in (".scanner h2", ".scanner .state", ".scanner .experiment", ".verdict", ".figure"):
        assert pages.page.locator(selector).first.evaluate(size) >= 30, selector
    height = pages.page.evaluate("document.documentElement.scrollHeight")
    assert height <= 1080, f"{height} pixels high: one has to scroll"


def test_alarms_are_told_in_words(pages, site, fresh):
    told(site, landing_age=3600, disks=[{"names": ["archiveResc", "landing zone"], "total": 10**13, "free": 10**11}])
    pages.log_in(ALICE)
    pages.go("/board")
    pages.shows("The landing host tells nothing since")
    pages.shows("Only 1 % is left on the disk of archiveResc, landing zone")
    assert pages.page.locator(".verdict.alarm").count() == 1
    pages.page.set_viewport_size({"width": 1920, "height": 1080})
    pages.looked_at("board-alarm")
    pages.page.set_viewport_size({"width": 400, "height": 800})
    pages.looked_at("board-phone")


def test_a_silent_scanner_and_missed_raw_data(site):
    """The clock goes on, the scanner does not."""
    told(site)
    start = datetime.now()
    new, complete = site.register(), site.register()
    for experiment in (new, complete):
        site.land(f"{T94}/dicom/silent{experiment}", dicom(experiment, AcquisitionDate=f"{start:%Y%m%d}"))
    site.land(f"{T94}/twix/{complete}.dat", twix(complete))
    now = time.time()

    def at(seconds):
        return board_data.look(Context(site.connect(), site.settings, read_header, now=lambda: seconds))

    (scanner,) = (s for s in at(now + 5).scanners if s.name == T94)
    assert scanner.state == "receiving"
    later = at(now + 31 * 60)
    assert "scanner_silent" in {p.code for p in later.problems if p.scanner == T94}
    (scanner,) = (s for s in later.scanners if s.name == T94)
    assert (scanner.state, scanner.recent) == ("silent", 0)
    (scanner,) = (s for s in at(now + 5 * 3600).scanners if s.name == T94)
    assert scanner.state == "idle"
    tomorrow = (start + timedelta(days=1)).replace(hour=10, minute=0).timestamp()
    before_work = (start + timedelta(days=1)).replace(hour=6, minute=0).timestamp()
    (scanner,) = (s for s in at(tomorrow).scanners if s.name == T94)
    assert new in scanner.without_raw
    assert complete not in scanner.without_raw
    assert "raw_missing" in {p.code for p in at(tomorrow).problems}
    (scanner,) = (s for s in at(before_work).scanners if s.name == T94)
    assert scanner.without_raw == []
    (scanner,) = (s for s in at(tomorrow + 86400).scanners if s.name == T94)
    assert new not in scanner.without_raw, "told once"


def test_raw_data_are_missed_on_the_day_after_the_scan_whenever_it_was_registered(site):
    told(site)
    new = site.register()
    site.land(f"{T94}/dicom/planned{new}", dicom(new, AcquisitionDate="20990302"))

    def missed(day):
        at = datetime(2099, 3, day, 10).timestamp()
        found = board_data.look(Context(site.connect(), site.settings, read_header, now=lambda: at))
        return [experiment for scanner in found.scanners for experiment in scanner.without_raw]

    assert [missed(day) for day in (2, 3, 4)] == [[], [new], []]


def test_what_is_archived_is_plotted(pages, site, fresh):
    start = date.today()
    new = site.register()
    site.land(f"{T94}/dicom/plot", dicom(new))
    site.sweep()
    site.rule("archive")
    told(site)
    before = [(start - timedelta(days=n)).isoformat() for n in range(1, 20)]
    for number, day in enumerate(before):  # as the archive's delay rule leaves it
        held = archived_volume.of_month(Context(site.connect(), site.settings, read_header), day[:7])
        sizes = {
            T94: {"DICOM": [900, 400_000 * (number % 7)], "TWIX": [3, 3_000_000 * (number % 7)]},
            T3: {"DICOM": [500, 900_000 * (number % 5)]},
        }
        status_report.tell(site.connect(), site.settings, f"volume/{day[:7]}", {**held, day: sizes})
    pages.log_in(ALICE)
    pages.page.set_viewport_size({"width": 1920, "height": 1080})
    pages.go("/board")
    bars = pages.page.locator("svg.plot rect", has_text=T94).or_(pages.page.locator("svg.plot rect", has_text=T3))
    days = {start.isoformat(), date.today().isoformat()}  # it may have been archived after midnight
    assert any(day in bars.last.inner_html() for day in days)
    assert T94 in bars.last.inner_html()
    assert bars.count() == 1 + sum(bool(n % 7) + bool(n % 5) for n in range(19))
    pages.looked_at("board-volume")


def test_health_is_for_every_monitor(served, site, fresh):
    told(site)
    status, text, _ = get(served, "/health")
    reply = json.loads(text)
    assert (status, reply["status"]) in ((200, "ok"), (503, "alarm"))
    assert "landing_silent" not in reply["alarms"]
    told(site, landing_age=3600)
    status, text, _ = get(served, "/health")
    assert (status, json.loads(text)["status"], json.loads(text)["version"]) == (503, "alarm", __version__)
    assert "landing_silent" in json.loads(text)["alarms"]
    told(site)


def test_metrics_are_prometheus_s_and_name_nobody(served, site, server, fresh):
    from prometheus_client.parser import text_string_to_metric_families

    told(site)
    new = site.register()
    site.land(f"{T94}/dicom/metrics", dicom(new))
    status, text, headers = get(served, "/metrics")
    if server is not None:
        assert status == 403
        return
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    assert found["mrdata_zone_up"][0].value == 1
    assert {s.labels["scanner"]: s.value for s in found["mrdata_landing_files"]} == {T94: 3, T3: 0}
    assert {s.labels["scanner"]: s.value for s in found["mrdata_scanner_recent_objects"]}[T94] >= 1
    assert found["mrdata_disk_free_bytes"][0].value == 4 * 10**12
    for name in (new, ALICE, "P1"):
        assert name not in text


def test_who_is_not_logged_in_is_sent_to_the_log_in_unless_on_the_site_s_network(site, server, tmp_path):
    from forms.app import create_app
    from forms.gateway import EmbeddedGateway

    if server is not None:
        pytest.skip("a gateway with other settings is made for an embedded zone")
    for networks, expected in (([], {"/board": 302, "/board/live": 401, "/metrics": 403}), (["10.1.2.0/24"], {})):
        gateway = EmbeddedGateway(site.folder)
        gateway.settings = replace(gateway.settings, board=replace(gateway.settings.board, networks=networks))
        app = create_app(_real(gateway), secure=False)
        for path in ("/board", "/board/live", "/metrics", "/health"):
            status = app.test_client().get(path, environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code
            assert status == expected.get(path, 503 if path == "/health" and status == 503 else 200), (networks, path)
        app.extensions["mrdata"].close()


def _real(gateway):
    """As on a server, where nobody may be anybody."""

    class Real:
        settings, accounts = gateway.settings, ()
        open, open_service = gateway.open, gateway.open_service

    return Real()


def test_a_zone_that_does_not_answer_is_an_alarm(site, server):
    from forms.app import create_app
    from policy.zone import ZoneError

    class Away:
        settings, accounts = site.settings, ("somebody",)

        def open_service(self):
            raise ZoneError("connection refused")

    client = create_app(Away(), secure=False).test_client()
    assert client.get("/health").status_code == 503
    assert client.get("/health").json["alarms"] == ["zone_unreachable"]
    assert client.get("/health").json["version"] == __version__
    assert f"MrData {__version__} archives" in client.get("/login").text
    assert "mrdata_zone_up 0.0" in client.get("/metrics").text
    assert "The archive does not answer" in client.get("/board").text


@pytest.fixture
def asked(site, monkeypatch):
    """A function that says how many times a look asks the zone."""
    kind, count = type(site.connect()), [0]
    for verb in ("query", "select", "read", "stat", "metadata"):
        real = getattr(kind, verb)

        def counted(self, *a, _real=real, **k):
            count[0] += 1
            return _real(self, *a, **k)

        monkeypatch.setattr(kind, verb, counted)

    def look(now: float) -> int:
        count[0] = 0
        board_data.look(Context(site.connect(), site.settings, read_header, now=lambda: now))
        return count[0]

    return look


def test_queries_do_not_grow_with_what_is_archived(site, asked):
    told(site)
    new, counts = site.register(), []
    for count in (1, 30):
        for number in range(count):
            path = site.land(f"{T94}/dicom/{count}_{number}", dicom(new, instance=100 * count + number, series=count))
            assert path.startswith(f"{site.settings.home}/studies/{PAIN}/experiments/{new}/DICOM/")
        counts.append(asked(time.time()))
    assert counts[0] == counts[1]


def test_queries_do_not_grow_with_experiments_under_way_nor_with_those_of_yesterday(site, asked):
    told(site)
    morning, counts = datetime(2099, 5, 3, 10).timestamp(), []
    for experiments in (1, 4):
        for new in [site.register() for _ in range(experiments)]:
            site.land(f"{T94}/dicom/many{new}", dicom(new, AcquisitionDate="20990502"))
        counts.append((asked(time.time()), asked(morning)))
    assert counts[0] == counts[1]


def test_what_rests_for_a_scanner_is_its_own(site):
    """`_` in a pattern of the catalog is any character."""
    told(site)
    names = [f"{T94}_1", f"{T94}-1"]
    settings = replace(site.settings, scanners=names)
    zone = site.connect()
    for number, name in enumerate(names, 1):
        path = f"{site.settings.home}/landing/{name}/dicom"
        zone.make_collection(path)
        zone.permit(path, ALICE, Access.WRITE)
        for instance in range(number):  # what an ordinary user puts waits for the sweep
            site.connect(ALICE).write(f"{path}/{instance}", b"x")
    found = board_data.look(Context(zone, settings, read_header)).scanners
    for name in names:
        zone.permit(f"{site.settings.home}/landing/{name}", "mrdata", Access.OWN, recursive=True)
        zone.erase(f"{site.settings.home}/landing/{name}")
    assert {scanner.name: scanner.resting for scanner in found} == {f"{T94}_1": 1, f"{T94}-1": 2}
