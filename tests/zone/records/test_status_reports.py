"""What the parts of MrData tell of themselves: the server its disks, the archive its volume; every delay rule can be
scheduled.
"""

import time

import pytest

from microservices.headers.header_reader import read_header
from microservices.rules.rule_table import RULES
from policy.records import archived_volume, status_report
from policy.schedule import delay_rules
from policy.views import board_data
from policy.zone.context import Context
from tests.files import dicom, twix
from tests.zone.names import T3, T94


def context_of(site):
    return Context(site.connect(), site.settings, read_header)


def test_the_server_tells_its_disks_and_castellum(site):
    told = site.rule("board")
    assert abs(told["time"] - time.time()) < 60
    names = [name for disk in told["disks"] for name in disk["names"]]
    assert {"archiveResc", "landingResc", "landing zone"} <= set(names)
    assert all(0 < disk["free"] <= disk["total"] for disk in told["disks"])
    seen = board_data.look(context_of(site))
    assert [disk.names for disk in seen.disks] == [disk["names"] for disk in told["disks"]]
    assert seen.server_told == pytest.approx(told["time"])


def test_what_is_archived_is_counted_by_day_scanner_and_kind(site):
    day = time.strftime("%Y-%m-%d")

    def counted(scanner, kind):
        return archived_volume.of_month(context_of(site), day[:7]).get(day, {}).get(scanner, {}).get(kind, [0, 0])

    images, raw = counted(T94, "DICOM"), counted(T3, "TWIX")
    one, two = site.register(), site.register(scanner=T3)
    paths = [site.land(f"{T94}/dicom/{number}", dicom(one, instance=number)) for number in (1, 2)]
    site.land(f"{T3}/twix/m.dat", twix(two))
    site.sweep()
    site.rule("archive")
    now = counted(T94, "DICOM")
    assert now == [images[0] + 2, images[1] + sum(site.connect().stat(path).size for path in paths)]
    assert counted(T3, "TWIX")[0] == raw[0] + 1
    assert dict(archived_volume.of_days(context_of(site), 3))[day][T94] >= now[1]
    site.rule("archive")
    assert counted(T94, "DICOM") == now


def test_half_of_a_bulletin_is_none(site):
    zone = site.connect()
    assert status_report.told(zone, site.settings, "nothing") == {}
    status_report.tell(zone, site.settings, "half", {"time": 1})
    zone.write(f"{status_report.collection(site.settings)}/half.json", b'{"time": ')
    assert status_report.told(zone, site.settings, "half") == {}
    zone.remove(f"{status_report.collection(site.settings)}/half.json")


def test_every_delay_rule_can_be_scheduled(site):
    for rule in delay_rules.periods(site.settings):
        assert f"{rule.removeprefix('mrdata_')}_every" in RULES
