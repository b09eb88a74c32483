"""Products of a series on an embedded zone and on a server: made when it is complete, from all its images, and never
half.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import secrets
import struct
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pydicom
import pytest

from microservices.headers.header_reader import read_header
from mrdata.phantom import phantom_dicom
from mrdata.phantom.water_phantom import Session
from policy.products import completeness as rules
from policy.zone import Condition, NotFound
from policy.zone.context import Context
from policy.zone.layout import PRODUCTS
from policy.zone.settings import Products
from products import nifti, worker
from products.tar import members, read_member
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, T94

ROOT = Path(__file__).parents[3]
FAST = Products(quiet_seconds=0.0, incomplete_seconds=3600.0, look_seconds=0.05)


@pytest.fixture
def study(site):
    """A registered experiment with an EPI run of four mosaics and a gradient echo of two echoes."""
    return Scanned(site)


class Scanned:
    """One experiment, and a worker on it."""

    def __init__(self, site, **registration: str) -> None:
        self.site = site
        self.experiment = site.register(**registration)
        # UIDs follow from the moment: never those of another test in the same zone.
        moment = timedelta(days=secrets.randbelow(1000), milliseconds=secrets.randbelow(10 * 3600 * 1000))
        self.session = Session(self.experiment, datetime(2024, 1, 2, 9) + moment)
        self.lines: list[str] = []
        self.study = f"studies/{PAIN}"
        self.base = f"{self.study}/experiments/{self.experiment}"

    def land(self, images) -> None:
        for name, content in images:
            self.site.land(f"{T94}/dicom/{self.experiment}/{name}", content)
        self.site.sweep()

    def epi(self, volumes: int = 4) -> list[tuple[str, bytes]]:
        return list(phantom_dicom.epi(self.session, volumes=volumes, slices=4))

    def worker(self, settings: Products = FAST) -> worker.Worker:
        site_settings = replace(self.site.settings, products=settings)
        return worker.Worker(
            site_settings, self.site.new_connection, self.lines.append, below=f"{self.site.settings.home}/{self.study}"
        )

    def run(self, settings: Products = FAST, **options):
        """One look; how this experiment's series came out is in their AVUs."""
        return self.worker(settings).run_once(**options)

    def series(self) -> dict[str, dict[str, str]]:
        """The AVUs of the experiment's series, by name."""
        home = self.site.settings.home
        rows = self.site.connect().query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", f"{home}/{self.base}/DICOM"))
        return {path.rpartition("/")[2]: self.site.avus(path) for (path,) in rows}

    def products(self) -> list[str]:
        """The experiment's products, below its collection of products."""
        prefix = f"{self.base}/{PRODUCTS}/"
        return sorted(path.removeprefix(prefix) for path in self.site.paths("studies") if path.startswith(prefix))

    def path(self, product: str) -> str:
        return f"{self.site.settings.home}/{self.base}/{PRODUCTS}/{product}"

    def read(self, product: str) -> bytes:
        return self.site.connect().read(self.path(product), 0, 1 << 26)


EPI = "3_ep2d_bold_mosaic"


def test_complete_series_get_a_tar_with_index_and_nifti_with_sidecars(study):
    study.land(
        [*phantom_dicom.localizer(study.session), *phantom_dicom.gradient_echo(study.session, slices=3), *study.epi()]
    )
    assert study.series().keys() == {"1_localizer", "2_gre_2echo_axial", EPI}
    study.run()
    assert {name: avus["ProductState"] for name, avus in study.series().items()} == dict.fromkeys(
        study.series(), "done"
    )
    of_epi = [name.removeprefix(f"{EPI}/{EPI}") for name in study.products() if name.startswith(EPI)]
    assert of_epi == [".json", ".log", ".nii.gz", ".tar", ".tar.index.json"]
    header = gzip.decompress(study.read(f"{EPI}/{EPI}.nii.gz"))
    assert struct.unpack_from("<8h", header, 40)[:5] == (4, 64, 64, 4, 4)
    sidecar = json.loads(study.read(f"{EPI}/{EPI}.json"))
    assert (sidecar["RepetitionTime"], sidecar["EchoTime"], sidecar["FlipAngle"]) == (2, 0.022, 70)
    assert sum(name.startswith("2_gre") and name.endswith("nii.gz") for name in study.products()) == 2  # two echoes
    assert study.experiment not in header[:348].decode("latin-1") + json.dumps(sidecar)


def test_products_say_where_they_come_from(study):
    study.land(study.epi())
    study.run()
    series = f"{study.site.settings.home}/{study.base}/DICOM/{EPI}"
    checksum = study.series()[EPI]["InputsChecksum"]
    for name in study.products():
        avus = study.site.avus(study.path(name))
        assert (avus["DerivedFrom"], avus["Inputs"], avus["InputsChecksum"]) == (series, "4", checksum)
        ours = name.endswith((".tar", ".tar.index.json"))
        assert re.fullmatch(r"mrdata \d.*" if ours else r"dcm2niix 1\.0\.\d+", avus["MadeBy"])
        assert study.site.connect().stat(study.path(name)).checksum.startswith("sha2:")
    assert study.site.avus(study.path(EPI))["DerivedFrom"] == series
    assert study.site.verify()["products"] == len(study.products())
    assert study.site.verify()["sound"]


def test_one_member_is_read_alone(study):
    images = dict(study.epi())
    study.land(images.items())
    study.run()
    tar, zone = study.path(f"{EPI}/{EPI}.tar"), study.site.connect()
    landed = study.site.paths(f"{study.base}/DICOM")
    with tarfile.open(fileobj=io.BytesIO(study.read(f"{EPI}/{EPI}.tar"))) as whole:
        names = whole.getnames()
        assert names == [path.rpartition("/")[2] for path in sorted(landed)]
        for member in members(zone, tar):
            alone = zone.read(tar, member.offset, member.size)
            assert alone == whole.extractfile(member.name).read() == b"".join(read_member(zone, tar, member.name))
            assert alone in images.values()


def test_a_series_that_is_still_arriving_has_no_products(study):
    study.land(study.epi())
    study.run(replace(FAST, quiet_seconds=600.0))
    assert "ProductState" not in study.series()[EPI]
    assert study.products() == []


def test_a_gap_is_no_complete_series(study):
    images = study.epi(6)
    study.land([*images[:2], *images[4:]])
    study.run()
    assert "ProductState" not in study.series()[EPI]  # may still come
    study.run(replace(FAST, incomplete_seconds=0.0))
    assert (study.series()[EPI]["ProductState"], study.series()[EPI]["ProductDetail"]) == (
        "incomplete",
        "instance numbers 3-4 are missing",
    )
    assert study.products() == []
    study.land(images[2:4])
    study.run()
    assert study.series()[EPI]["ProductState"] == "done"
    assert "ProductDetail" not in study.series()[EPI]
    assert study.site.avus(study.path(EPI))["Inputs"] == "6"


def test_an_image_that_came_under_two_instance_numbers_is_told(study):
    images = study.epi(3)
    study.land(images)
    name, content = images[0]
    other = pydicom.dcmread(io.BytesIO(content))
    other.InstanceNumber = 4
    edited = io.BytesIO()
    other.save_as(edited)
    study.land([(f"{name}.edited", edited.getvalue())])
    study.run(replace(FAST, incomplete_seconds=0.0))
    series = study.series()[EPI]
    assert series["ProductState"] == "incomplete"
    assert series["ProductDetail"] == f"SOP Instance UID {other.SOPInstanceUID} stands under several instance numbers"
    assert study.products() == []


def test_a_late_image_makes_the_products_outdated_and_they_are_made_again(study):
    images = study.epi(5)
    study.land(images[:4])
    study.run()
    first = study.read(f"{EPI}/{EPI}.tar")
    study.land(images[4:])
    study.run(replace(FAST, quiet_seconds=600.0))  # not yet quiet, but told at once
    assert study.series()[EPI]["ProductState"] == study.site.avus(study.path(EPI))["ProductState"] == "outdated"
    assert study.read(f"{EPI}/{EPI}.tar") == first
    study.run()
    assert study.series()[EPI]["ProductState"] == study.site.avus(study.path(EPI))["ProductState"] == "done"
    assert len(members(study.site.connect(), study.path(f"{EPI}/{EPI}.tar"))) == 5
    assert struct.unpack_from("<8h", gzip.decompress(study.read(f"{EPI}/{EPI}.nii.gz")), 40)[4] == 5


def test_a_second_look_makes_nothing_again(study):
    study.land(study.epi())
    study.run()
    before = {name: study.site.connect().stat(study.path(name)).modified for name in study.products()}
    study.lines.clear()
    assert study.run()["done"] >= 1
    assert study.lines == []
    assert before == {name: study.site.connect().stat(study.path(name)).modified for name in study.products()}


def test_a_failed_conversion_is_visible_and_can_be_tried_again(study, monkeypatch):
    study.land([("broken", dicom(study.experiment, Rows=0, Columns=0))])
    study.run()
    (avus,) = study.series().values()
    assert avus["ProductState"] == "failed"
    assert avus["ProductDetail"].startswith("dcm2niix ")
    assert [name.rpartition(".")[2] for name in study.products()] == ["log", "tar", "json"]
    assert not any(name.endswith((".nii.gz", ".nii")) for name in study.products())
    status = worker.status(Context(study.site.connect(), study.site.settings, read_header))
    assert [row["detail"] for row in status if study.experiment in row["series"]] == [avus["ProductDetail"]]
    study.lines.clear()
    study.run()
    assert not [
        line for line in study.lines if study.experiment in line
    ]  # the same converter on the same images: not again
    study.run(retry=())
    assert [line for line in study.lines if study.experiment in line]
    monkeypatch.setattr(nifti, "version", lambda: "dcm2niix 99")
    study.lines.clear()
    study.run()
    assert [line for line in study.lines if study.experiment in line]  # another converter may do better


def test_objects_that_are_no_images_get_a_tar_alone(study):
    study.land([("report", dicom(study.experiment, SOPClassUID="1.2.840.10008.5.1.4.1.1.7"))])
    study.run()
    (avus,) = study.series().values()
    assert avus["ProductState"] == "done"
    assert [name.rpartition("/")[2] for name in study.products()] == ["1_gre.tar", "1_gre.tar.index.json"]


def test_products_hold_nothing_of_the_person(make_site):
    site = make_site(guard={"allow": {"PatientBirthDate": [".*"], "ReferringPhysicianName": [".*"]}})
    study = Scanned(site)
    images = [
        (name, _with(content, PatientBirthDate="19870403", ReferringPhysicianName="Hyde^Edward"))
        for name, content in study.epi()
    ]
    study.land(images)
    study.run()
    assert study.series()[EPI]["ProductState"] == "done"
    for name in study.products():
        if not name.endswith(".tar"):
            content = study.read(name)
            content = gzip.decompress(content) if name.endswith(".gz") else content
            assert not re.search(rb"19870403|1987-04-03|Hyde|Edward", content)


def test_a_sidecar_that_tells_who_the_person_is_is_refused(make_site):
    site = make_site(guard={"allow": {"ReferringPhysicianName": [".*"], "ProtocolName": [".*"]}})
    study = Scanned(site)
    study.land(
        [(n, _with(c, ReferringPhysicianName="Hyde^Edward", ProtocolName="for Dr Hyde")) for n, c in study.epi()]
    )
    study.run()
    avus = study.series()[EPI]
    assert avus["ProductState"] == "failed"
    assert "ReferringPhysicianName" in avus["ProductDetail"]
    assert "Hyde" not in avus["ProductDetail"]
    assert not any(name.endswith((".nii.gz", f"{EPI}.json")) for name in study.products())


def _with(content: bytes, **attributes: str) -> bytes:
    import pydicom

    ds = pydicom.dcmread(io.BytesIO(content))
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def test_members_of_the_study_read_products_and_others_do_not(study):
    study.land(study.epi())
    study.run()
    name = study.path(f"{EPI}/{EPI}.json")
    assert study.site.connect(ALICE).read(name, 0, 10)
    assert study.site.connect(BOB).stat(name) is None


def test_products_of_a_series_that_was_re_filed_go_with_it(study):
    study.land(study.epi())
    study.run()
    other = study.site.register()
    reply = study.site.rule("experiment_reassign", {"source": study.experiment, "to": other})
    assert len(reply["moves"]) == 4  # images, no products
    study.run()
    assert study.products() == []
    moved = f"{study.study}/experiments/{other}/{PRODUCTS}/{EPI}"
    assert study.site.avus(moved)["DerivedFrom"].endswith(f"{other}/DICOM/{EPI}")


@pytest.mark.parametrize("step", ["make_collection", "put", "annotate", "move"])
def test_an_interruption_anywhere_leaves_nothing_half(study, step):
    """Each call of one verb fails once; the next look starts where nothing stands half."""
    study.land(study.epi())
    for number in range(1, 12):
        failing = Failing(study.site.new_connection(), step, number)
        site_settings = replace(study.site.settings, products=FAST)
        with contextlib.suppress(OSError):  # when not even the failure could be noted
            below = f"{study.site.settings.home}/{study.study}"
            worker.Worker(site_settings, lambda zone=failing: zone, study.lines.append, below=below).run_once()
        done = [name for name in study.products() if not name.startswith(f"{EPI}.unfinished/")]
        assert not done or len(done) == 5
        if not failing.failed:
            break
        assert study.series()[EPI].get("ProductState") != "done"
    else:
        pytest.fail(f"{step} was called more often than expected")
    study.run()
    assert study.series()[EPI]["ProductState"] == "done"
    assert len(study.products()) == 5


def test_a_watching_worker_takes_up_what_arrives(study):
    stop = threading.Event()
    watching = threading.Thread(target=study.worker().watch, args=(stop,))
    watching.start()
    try:
        images = study.epi(5)
        study.land(images[:4])
        assert eventually(lambda: study.series().get(EPI, {}).get("ProductState") == "done")
        study.land(images[4:])
        assert eventually(
            lambda: study.site.avus(study.path(EPI))["Inputs"] == "5" and study.series()[EPI]["ProductState"] == "done"
        )
    finally:
        stop.set()
        watching.join()


def eventually(true) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(NotFound):  # replaced at this moment
            if true():
                return True
        time.sleep(0.2)
    return False


def test_killed_again_and_again_it_makes_whole_products(study):
    """The worker is killed at ten moments; what it leaves is either nothing or whole."""
    study.land(study.epi())
    home = study.site.settings.home
    code = KILLED.replace("BELOW", f"{home}/{study.study}")
    for number in range(0, 30, 3):
        command = [sys.executable, "-c", code, str(number)]
        done = subprocess.run(
            command, env=study.site.environment(), check=False, capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode in (0, -9), done.stderr
        assert len([name for name in study.products() if ".unfinished/" not in name]) in (0, 5)
    study.run()
    assert study.series()[EPI]["ProductState"] == "done"
    assert len(study.products()) == 5
    assert study.site.verify()["sound"]


KILLED = """
import os, signal, sys
from dataclasses import replace
from mrdata.commands.zone_connection import connect, settings
from policy.zone.settings import Products
from products.worker import Worker

class Dying:
    def __init__(self, zone):
        self.zone, self.left = zone, int(sys.argv[1])
    def __getattr__(self, name):
        verb = getattr(self.zone, name)
        if name not in ("put", "annotate", "make_collection", "move", "remove", "write", "checksum"):
            return verb
        def call(*given, **named):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return verb(*given, **named)
        return call

site = replace(settings(), products=Products(quiet_seconds=0.0))
Worker(site, lambda: Dying(connect("mrdata")), print, below="BELOW").run_once()
"""


def test_products_of_a_finalized_experiment_can_still_be_made(make_site):
    study = Scanned(make_site(lifecycle={"settle_seconds": 0.0}))
    study.land(study.epi())
    study.site.rule("archive")
    reply = study.site.rule("experiment_finalize", {"experiment": study.experiment, "by": ALICE})
    assert reply["state"] == "finalized", reply
    study.run()
    assert study.series()[EPI]["ProductState"] == "done"
    assert len(study.products()) == 5


class Failing:
    """A zone whose verb fails at its call of this number."""

    def __init__(self, zone, verb: str, number: int) -> None:
        self._zone, self._verb, self._left = zone, verb, number
        self.failed = False

    def __getattr__(self, name: str):
        function = getattr(self._zone, name)
        if name != self._verb:
            return function

        def call(*args, **named):
            self._left -= 1
            if self._left == 0:
                self.failed = True
                raise OSError("the network is gone")
            return function(*args, **named)

        return call


def test_the_command_line(study, tmp_path):
    study.land(study.epi())
    study.run()
    environment = study.site.environment()

    def mrdata(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "mrdata.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)

    listed = json.loads(mrdata("products", "--status", "--json").stdout)
    assert [row["state"] for row in listed if study.experiment in row["series"]] == ["done"]
    tar = study.path(f"{EPI}/{EPI}.tar")
    names = [row["name"] for row in json.loads(mrdata("member", tar, "--json").stdout)]
    assert len(names) == 4
    got = mrdata("member", tar, names[2], "one.dcm")
    assert got.returncode == 0, got.stderr
    assert (
        read_header(
            io.BytesIO((tmp_path / "one.dcm").read_bytes()), (tmp_path / "one.dcm").stat().st_size
        ).instance_number
        == "3"
    )
    refused = mrdata("member", tar, names[2], "one.dcm")
    assert refused.returncode == 1
    assert "nothing is overwritten" in refused.stderr


def test_the_rules_of_gaps():
    def series(*numbers: int):
        images = tuple(rules.Image(f"{n}_1.2.{n}.dcm", "x", 1, 0, True) for n in numbers)
        return rules.Series("/z/home/mrdata/studies/s/experiments/e/DICOM/1_x", images, {})

    assert rules.missing(series(1, 2, 3)) == []
    assert rules.missing(series(0, 1, 2)) == []
    assert rules.missing(series(2, 5)) == [1, 3, 4]
    assert rules.missing(series()) == []
