"""What is done while a call fails: each is prepared without faults, then done with one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded.client import routes
from embedded.errors import IrodsError
from mrdata.verification import verify_report
from policy.zone import ZoneError, layout
from policy.zone.layout import DataType
from tests.faults.books import Act
from tests.faults.site import ALICE, SCANNER, STUDY, Site
from tests.files import dicom, twix


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` and `act` get the site; `settings` are those of `Site.make`."""

    name: str
    prepare: Callable[[Site], None]
    act: Callable[[Site], object]
    settings: dict[str, Any] = field(default_factory=dict)


def registered(site: Site) -> tuple[str, str]:
    """Two experiments, the same in each run of a scenario."""
    return site.register(), site.register()


def experiments(site: Site) -> list[str]:
    """Those of the books, in the order in which they came."""
    return list(dict.fromkeys(one for content in site.books.contents.values() for one in sorted(content.experiments)))


def everything_lands(site: Site) -> None:
    """Images of two experiments, one without an ID, one twice; raw data; a tree."""
    one, two = registered(site)
    first = dicom(one, instance=1)
    site.land("a/1", first, DataType.DICOM, one)
    site.land("a/2", dicom(one, instance=2), DataType.DICOM, one)
    site.land("b/1", dicom(two), DataType.DICOM, two)
    site.land("again/1", first, DataType.DICOM, one)
    site.land("odd", dicom("SIMPSON^HOMER"), DataType.DICOM)
    site.land("meas.dat", twix(one), DataType.TWIX, one)
    site.land(f"{one}/physio/pulse.txt", b"60 61 62", DataType.EXP_DATA, one)
    site.land(f"{one}/it's 100%.txt", b"odd name", DataType.EXP_DATA, one)


def images_land(site: Site) -> None:
    """Fewer: two images, raw data that nobody knows, a tree of one file."""
    one = site.register()
    site.land("a/1", dicom(one, instance=1), DataType.DICOM, one)
    site.land("a/2", dicom(one, instance=2), DataType.DICOM, one)
    site.land("odd", dicom("SIMPSON^HOMER"), DataType.DICOM)
    site.land(f"{one}/physio.txt", b"60 61 62", DataType.EXP_DATA, one)


def landed_and_taken(site: Site) -> None:
    """The scanner has worked, and no delay rule."""
    images_land(site)
    site.scan()


def archived(site: Site) -> None:
    """They are archived."""
    images_land(site)
    site.rest()


def scan_and_rules(site: Site) -> None:
    """The scanner, then each delay rule."""
    site.scan()
    site.rules()


def upload(site: Site) -> None:
    """Alice puts two files into landing; each counts when iput returns."""
    (one,) = experiments(site)[:1]
    base = layout.uploads(site.settings, SCANNER, one)
    for number in (1, 2):
        content = f"of Alice {number}".encode()
        with suppress(IrodsError, ZoneError), site.connect(ALICE) as zone:
            site.books.may_land(content, f"upload {number}", DataType.EXP_DATA, one)
            routes.imkdir(zone.agent, base, parents=True)
            routes.iput(zone.agent, f"{base}/{number}.txt", content)
            site.books.landed(content, f"upload {number}", DataType.EXP_DATA, one)
    site.rules()


def withdrawn(site: Site) -> None:
    """It is archived and withdrawn."""
    archived(site)
    site.act(Act.WITHDRAW, experiments(site)[0])


def erase(site: Site) -> None:
    """It is withdrawn, and cannot be restored."""
    site.act(Act.WITHDRAW, experiments(site)[0])
    site.rules()


def finalized_and_late(site: Site) -> None:
    """It is finalized, and one more image comes."""
    archived(site)
    one = experiments(site)[0]
    site.act(Act.FINALIZE, one)
    site.land("late/1", dicom(one, instance=3), DataType.DICOM, one, required=False)


def doing(act: Act) -> Callable[[Site], object]:
    """Somebody asks for it."""
    return lambda site: site.act(act, experiments(site)[0])


def refile_from_quarantine(site: Site) -> None:
    """What has no ID is re-filed."""
    digest = next(key for key, one in site.books.contents.items() if not one.experiments or not one.must_be_placed)
    sessions = site.rule("quarantine_list")["sessions"]
    if sessions:
        site.refile(sessions[0]["path"], experiments(site)[0], [digest])


def two_experiments(site: Site) -> None:
    """Both archived."""
    everything_lands(site)
    site.rest()


def refile_an_experiment(site: Site) -> None:
    """Its ID was typed by mistake."""
    one, two = experiments(site)[:2]
    moved = [key for key, content in site.books.contents.items() if content.experiments == {two}]
    site.refile(two, one, moved)


def damaged(site: Site) -> None:
    """One archived file is gone from the vault, and one has other bytes."""
    archived(site)
    site.tidy()
    vault = Path(site.settings.archive.vault)
    files = sorted(path for path in vault.rglob("*") if path.is_file() and path.stat().st_size > 500)
    files[0].unlink()
    files[1].chmod(0o600)
    files[1].write_bytes(b"x" * files[1].stat().st_size)


def verified(site: Site) -> dict[str, Any]:
    """What verify says."""
    with site.connect() as zone:
        return verify_report.report(zone, site.settings)


_REQUEST = {"study": STUDY, "pseudonym": "P2", "owner": ALICE, "scanner": SCANNER, "scan_type": "pilot"}
_ERASE = {"withdrawal_days": 0.0}
_SOON = {"finished_hours": 0.0, "finalized_days": 0.0}
SCENARIOS = {
    one.name: one
    for one in (
        Scenario("scan", everything_lands, Site.scan),
        Scenario("elsewhere", images_land, scan_and_rules, {"vault": False}),
        Scenario("upload", images_land, upload),
        Scenario("late", finalized_and_late, scan_and_rules),
        Scenario("finalize", archived, doing(Act.FINALIZE)),
        Scenario("time", landed_and_taken, Site.rules, _SOON),
        Scenario("withdraw", archived, doing(Act.WITHDRAW)),
        Scenario("restore", withdrawn, doing(Act.RESTORE)),
        Scenario("erase", archived, erase, _ERASE),
        Scenario("quarantine", archived, refile_from_quarantine),
        Scenario("refile", two_experiments, refile_an_experiment),
        Scenario("tidy", two_experiments, Site.tidy),
        Scenario("register", images_land, lambda site: site.ask("register", _REQUEST)),
    )
}
VERIFY = Scenario("verify", damaged, verified)
"""Whatever fails, verify must never say that all is well."""
