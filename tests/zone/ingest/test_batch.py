"""The rule that decides about a batch of owned files (`mrdata_batch`), and the registration that may do only what it
said.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from microservices.headers.header_reader import read_header
from policy.ingest import landed_again
from policy.withdrawal.withdrawal import Reason
from policy.zone import GOOD, Condition, NotPermitted, Registration, ZoneError, layout
from policy.zone.context import Context
from tests.files import dicom, twix
from tests.zone import intake
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, STEWARD, T3, T94


def sha2(content: bytes) -> str:
    return "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode()


@dataclass(frozen=True)
class File:
    """An owned file as the landing host tells of it."""

    landing_path: str
    content: bytes
    file: Path

    @property
    def told(self) -> list:
        return [self.landing_path, len(self.content), sha2(self.content)]


class Batch:
    """Files of one batch: taken into the intake and, where the vault is on this host, copied into it."""

    def __init__(self, site, *, vault: bool = True) -> None:
        self.site, self.name = site, f"host.1.{uuid.uuid4().hex[:8]}.1"
        self.resource = site.settings.archive.resource if vault else site.settings.landing.resource
        self._vault = Path(site.vault(self.resource), layout.LANDED, self.name) if vault else None
        self.folder = str(self._vault or Path(site.settings.landing.folder, layout.INTAKE, self.name))

    def own(self, landing_path: str, content: bytes) -> File:
        file = intake.taken(self.site, landing_path, content, self.name)
        if self._vault:
            file = intake.in_vault(self.site, landing_path, content, self.name)
        return File(landing_path, content, file)

    def image(self, experiment: str, number: int = 1, **header: object) -> File:
        sop = f"1.2.3.{number}.{int(self.name.split('.')[2], 16)}"
        return self.own(f"{T94}/dicom/a/{number}.dcm", dicom(experiment, instance=number, **{"sop": sop, **header}))

    def ask(self, *files: File, resumed: bool = False, user: str = "mrdata", **changes: object) -> list[list[str]]:
        """The answers, in the order of the files."""
        reply = self.reply(*files, resumed=resumed, user=user, **changes)
        assert "error" not in reply, reply["error"]
        return reply["files"]

    def reply(self, *files: File, resumed: bool = False, user: str = "mrdata", **changes: object) -> dict:
        request = {
            "batch": self.name,
            "folder": self.folder,
            "files": [file.told for file in files],
            "resumed": resumed,
            **changes,
        }
        return self.site.ask("batch", request, user)

    def register(self, *files: File, zone=None, answers: list[list[str]] | None = None) -> list[str]:
        """Registers files as it was answered about them; the objects' paths."""
        answers = self.ask(*files) if answers is None else answers
        paths = [path for outcome, path, _ in answers if outcome in ("placed", "rests")]
        rows = [
            Registration(path, str(file.file), len(file.content), sha2(file.content))
            for path, file in zip(paths, files, strict=True)
        ]
        (zone or self.site.connect()).register_all(rows, self.resource)
        return paths

    def close(self) -> None:
        """On a server, the vault outlives the test."""
        if self._vault:
            shutil.rmtree(self._vault, ignore_errors=True)


@pytest.fixture
def make_batch_of():
    made: list[Batch] = []

    def make(site, **how: bool) -> Batch:
        made.append(Batch(site, **how))
        return made[-1]

    yield make
    for batch in made:
        batch.close()


@pytest.fixture
def make_batch(site, make_batch_of):
    return lambda **how: make_batch_of(site, **how)


@pytest.fixture(params=["vault", "intake"])
def batch(request, make_batch):
    """Archived when it is registered, or registered in the intake."""
    return make_batch(vault=request.param == "vault")


@pytest.fixture
def archived(make_batch):
    return make_batch()


def home(site, path: str) -> str:
    return path.removeprefix(f"{site.settings.home}/")


def again(site) -> list[tuple[str, str]]:
    """What landed with bytes that the archive had: landing path and batch."""
    return sorted(
        (one.landing_path, one.batch)
        for _, one in landed_again.everywhere(Context(site.connect(), site.settings, read_header))
    )


# What is answered


def test_each_kind_of_file_has_its_place(site, batch):
    new = site.register()
    files = [
        batch.image(new, 1, sop="1.2.3.77"),
        batch.own(f"{T94}/twix/meas.dat", twix(new)),
        batch.own(f"{T94}/expdata/{new}/deep/er/log.txt", b"trigger"),
        batch.own(f"{T94}/dicom/odd", dicom("SIMPSON^HOMER")),
    ]
    base, landing = f"studies/{PAIN}/experiments/{new}", layout.landing(site.settings)
    answers = batch.ask(*files)
    assert [(outcome, home(site, path), kind) for outcome, path, kind in answers] == [
        ("placed", f"{base}/DICOM/1_gre/1_1.2.3.77.dcm", "DICOM"),
        ("placed", f"{base}/TWIX/meas.dat", "TWIX"),
        ("placed", f"{base}/EXP_DATA/deep/er/log.txt", "EXP_DATA"),
        ("rests", f"landing/{T94}/dicom/odd", ""),
    ]
    assert site.paths("studies") == [
        home(site, f"{site.settings.home}/{base}/experiment.yaml")
    ]  # nothing but collections is made
    paths = batch.register(*files, answers=answers)
    zone = site.connect()
    assert [zone.read(path, 0, 1 << 24) for path in paths] == [file.content for file in files]
    assert [zone.checksum(path, verify=True) for path in paths] == [sha2(file.content) for file in files]
    assert site.avus(paths[0]) == {}, "its file tells where it came from, its name which image it is"
    assert site.sweep()["quarantined"] == 1
    assert site.paths(home(site, landing)) == []
    site.rule("archive")
    intake.done(site, batch.name)
    assert site.verify()["sound"]


def test_what_is_not_registered_is_not_there(site, batch):
    """The rule answers, and leaves nothing behind that has to be taken back when its caller is killed."""
    new = site.register()
    file = batch.image(new)
    assert batch.ask(file) == batch.ask(file) == batch.ask(file, resumed=True)
    assert [outcome for outcome, _, _ in batch.ask(file)] == ["placed"]
    assert "DICOM" not in "".join(path for path in site.paths("studies"))


def test_the_same_bytes_of_another_name_need_no_second_object(site, archived, make_batch):
    new = site.register()
    first = archived.image(new)
    (path,) = archived.register(first)
    other = make_batch()
    files = [other.own(f"{T94}/dicom/b/{name}.dcm", first.content) for name in ("again", "and again")]
    assert other.ask(*files) == [["same", path, ""]] * 2
    assert again(site) == [
        (file.landing_path, other.name) for file in sorted(files, key=lambda file: file.landing_path)
    ]
    assert other.ask(*files) == [["same", path, ""]] * 2, "asked twice, it is written down once"
    assert len(again(site)) == 2


def test_the_same_bytes_that_the_archive_does_not_have_on_its_own_yet(site, make_batch):
    """Registered in the intake, an object's only copy is there: a further one is kept until the archive has one."""
    new = site.register()
    one, two = make_batch(vault=False), make_batch(vault=False)
    first = one.image(new)
    (path,) = one.register(first)
    second = two.own(f"{T94}/dicom/b/again.dcm", first.content)
    ((outcome, where, _),) = two.ask(second)
    assert (outcome, home(site, where)) == ("rests", f"landing/{second.landing_path}")
    two.register(second)
    site.rule("archive")
    site.sweep()
    assert site.paths("landing") == []
    assert again(site) == [(second.landing_path, two.name)]
    assert site.connect().read(path, 0, 1 << 24) == first.content


def test_other_bytes_of_the_same_image_rest(site, archived, make_batch):
    new = site.register()
    first = archived.image(new, sop="1.2.3.4")
    (path,) = archived.register(first)
    other = make_batch()
    second = other.image(new, sop="1.2.3.4", pixels=b"\1\1" * 16)
    ((outcome, where, _),) = other.ask(second)
    assert (outcome, home(site, where)) == ("rests", f"landing/{second.landing_path}")
    other.register(second)
    assert site.sweep()["quarantined"] == 1
    assert [session["reasons"] for session in site.quarantine_sessions()] == [{"duplicate-different": 1}]
    assert site.connect().read(path, 0, 1 << 24) == first.content


def test_two_of_one_batch_that_want_the_same_place(site, archived):
    """The second is asked about again when the first is registered: the same bytes, or other ones."""
    new = site.register()
    first = archived.image(new, sop="1.2.3.4")
    same = archived.own(f"{T94}/dicom/b/1.dcm", first.content)
    other = archived.own(f"{T94}/dicom/c/1.dcm", dicom(new, sop="1.2.3.4", pixels=b"\1\1" * 16))
    answers = archived.ask(first, same, other)
    assert [outcome for outcome, _, _ in answers] == ["placed", "later", "later"]
    assert {path for _, path, _ in answers} == {answers[0][1]}
    archived.register(first, answers=answers[:1])
    assert [outcome for outcome, _, _ in archived.ask(same, other)] == ["same", "rests"]


def test_a_second_file_rests_beside_one_of_its_name(site, batch, make_batch):
    files = [batch.own(f"{T94}/dicom/1", dicom("SIMPSON^HOMER"))]
    (first,) = batch.register(*files)
    other = make_batch(vault=batch.resource == site.settings.archive.resource)
    second = other.own(f"{T94}/dicom/1", dicom("SIMPSON^MARGE"))
    (path,) = other.register(second)
    assert path != first
    assert layout.landed(site.settings, path) == layout.landed(site.settings, first), (
        "it tells the same of where it landed"
    )
    zone = site.connect()
    assert [zone.read(one, 0, 1 << 24) for one in (first, path)] == [files[0].content, second.content]
    assert site.sweep()["quarantined"] == 2


def test_what_a_killed_process_had_registered_is_known_and_described(site, batch):
    new, raw = site.register(), site.register(pseudonym="P2")
    placed = batch.image(new, EchoTime=5.5)
    first = batch.image(new, 2)  # the series has its echo time
    rests = batch.own(f"{T94}/dicom/odd", dicom("SIMPSON^HOMER"))
    data = batch.own(f"{T94}/expdata/{raw}/log", b"trigger")
    files = [first, placed, rests, data]
    paths = batch.register(*files)
    site.reconnect()
    assert batch.ask(*files, resumed=True) == [["known", path, ""] for path in paths]
    whole = set(site.connect().metadata(paths[1]))
    assert {avu.attribute for avu in whole} == {"EchoTime"}, "what its series does not say"
    site.connect().annotate(paths[1], remove=whole)  # who was killed had not come to that
    assert batch.ask(placed, resumed=True) == [["known", paths[1], ""]]
    assert set(site.connect().metadata(paths[1])) == whole


def test_without_a_word_of_an_earlier_try_its_own_file_is_known_all_the_same(site, batch):
    new = site.register()
    file = batch.image(new)
    (path,) = batch.register(file)
    assert batch.ask(file) == [["known", path, ""]]


# What is refused


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "/etc",
            "{landing}",
            "{landing}/.intake",
            "{vault}",
            "{vault}/landed",
            "{vault}/{studies}",
            "{vault}/landed/other",
        ),
        *("{batch}/", "{batch}/.", "{batch}/../{name}", "landed/{name}", "{name}", ""),
    ],
)
def test_only_files_of_the_batch_s_own_folder_are_decided_about(site, archived, folder):
    """A file that others can write, or that is an object's already, would become MrData's."""
    file = archived.image(site.register())
    names = {
        "landing": site.settings.landing.folder,
        "vault": site.settings.archive.vault,
        "studies": f"home/mrdata/studies/{PAIN}",
        "batch": archived.folder,
        "name": archived.name,
    }
    folder = folder.format(**names)
    assert "not in a folder of this batch" in archived.reply(file, folder=folder)["error"]
    _, placed, _ = archived.ask(file)[0]
    for path in (placed, f"{layout.landing(site.settings)}/{file.landing_path}"):
        with pytest.raises(NotPermitted):
            site.connect().register_all([Registration(path, f"{folder}/{file.landing_path}", 1, "")], archived.resource)
        assert site.connect().stat(path) is None


@pytest.mark.parametrize("name", ["", ".", "..", ".removing"])
def test_a_batch_has_a_name(site, archived, name):
    """Its files would be of somebody else's batch, or of what is being removed."""
    file = archived.own(f"{T94}/dicom/x", b"x")
    for folder in (f"{site.settings.archive.vault}/landed/{name}", f"{site.settings.landing.folder}/.intake/{name}"):
        assert "error" in archived.reply(file, batch=name, folder=folder)


@pytest.mark.parametrize(
    "landing_path",
    [
        *(
            f"{T94}/dicom/../../../../x",
            f"{T94}/dicom/a/../x",
            f"{T94}/dicom//x",
            f"{T94}/dicom/./x",
            f"{T94}/dicom/x/",
        ),
        *(f"../other/{T94}/dicom/x", f"/{T94}/dicom/x", f"{T94}/x", f"{T94}/other/x", f"{T94}/dicom", "x", ""),
    ],
)
def test_only_files_of_a_scanner_s_branch_are_decided_about(site, archived, landing_path):
    assert "not in a folder of this batch" in archived.reply(files=[[landing_path, 1, sha2(b"x")]])["error"]


@pytest.mark.parametrize("place", ["link", "link to its like", "folder on the way", "pipe", "folder"])
def test_what_is_not_a_regular_file_is_not_decided_about(site, batch, place):
    """A link would bring any file that the server may read into a study.

    The others of its batch are decided about without it.
    """
    new, other = site.register(), site.register(study=SLEEP, owner=BOB)
    theirs = batch.own(f"{T3}/expdata/{other}/theirs", b"theirs")
    good, bad = (batch.own(f"{T94}/expdata/{new}/{name}/log", b"theirs") for name in ("good", "bad"))
    bad.file.unlink()
    if place == "link":
        bad.file.symlink_to(site.settings_file)
    elif place == "link to its like":
        bad.file.symlink_to(theirs.file)
    elif place == "folder on the way":
        bad.file.parent.rmdir()
        bad.file.parent.symlink_to(theirs.file.parent)
        (theirs.file.parent / "log").write_bytes(b"theirs")
    elif place == "pipe":
        os.mkfifo(bad.file)
    else:
        bad.file.mkdir()
    assert "not a regular file" in batch.reply(good, bad)["error"]
    for path in (f"studies/{PAIN}/experiments/{new}/EXP_DATA/bad/log", f"landing/{bad.landing_path}"):
        with pytest.raises(NotPermitted):
            batch.register(bad, answers=[["placed", f"{site.settings.home}/{path}", ""]])
    assert [outcome for outcome, _, _ in batch.ask(good)] == ["placed"]
    batch.register(good)
    assert [path for path in site.paths("studies") + site.paths("landing") if "/bad/" in path] == []


def test_a_file_that_is_gone_is_not_registered(site, batch):
    """Another process goes on with it."""
    new = site.register()
    good, gone = batch.image(new), batch.image(new, 2)
    answers = batch.ask(good, gone)
    gone.file.unlink()
    with pytest.raises(NotPermitted):
        batch.register(good, gone, answers=answers)
    assert site.connect().stat(answers[0][1]) is None, "all or none"
    batch.register(good)
    assert site.connect().stat(answers[0][1]).size == len(good.content)


@pytest.mark.parametrize("wrong", ["size", "checksum"])
def test_what_is_not_what_was_told_is_not_archived(site, make_batch, wrong):
    """A file of the intake that somebody has open still, and writes on."""
    batch, new = make_batch(vault=False), site.register()
    file = batch.image(new)
    told = file.told
    answers = batch.ask(file) if wrong == "checksum" else None
    with open(file.file, "r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"!" if wrong == "checksum" else b"!!")
    answers = answers or batch.ask(files=[told])
    assert answers[0][0] == ("placed" if wrong == "checksum" else "rests")
    batch.register(file, answers=answers)
    site.rule("archive")
    site.sweep()
    where = "quarantine" if wrong == "checksum" else "studies"
    (path,) = [one for one in site.paths(where) if one.endswith((".dcm", file.told[0].rpartition("/")[2]))]
    assert wrong == "size" or site.avus(path)["Reason"] == "damaged"
    name = Condition("DATA_NAME", "=", path.rpartition("/")[2])
    assert site.connect().query(["DATA_RESC_NAME"], name, Condition("DATA_REPL_STATUS", "=", GOOD)) == [
        (site.settings.landing.resource,)
    ]
    assert [one for one in site.verify()["lost"] if path in one], "verify says so"


def meanwhile(site, rule: str, request: dict) -> dict:
    """Another agent's, which remembers nothing of the batch."""
    with site.new_connection() as zone:
        reply = json.loads(zone.rule(f"mrdata_{rule}", json.dumps(request)))
    assert "error" not in reply, reply
    return reply


@pytest.fixture
def at_once(make_site):
    return make_site(lifecycle={"settle_seconds": 0.0})


def test_an_experiment_that_is_finalized_between_the_answer_and_the_registration(at_once, make_batch_of):
    """Nothing comes into it: its manifest would not tell."""
    site, batch = at_once, make_batch_of(at_once)
    new = site.register()
    first, second = batch.image(new), batch.image(new, 2)
    batch.register(first)
    answers = batch.ask(second)
    assert answers[0][0] == "placed"
    assert meanwhile(site, "experiment_finalize", {"experiment": new})["state"] == "finalized"
    with pytest.raises(NotPermitted):
        batch.register(second, answers=answers)
    site.reconnect()
    assert [outcome for outcome, _, _ in batch.ask(second)] == ["rests"]
    batch.register(second)
    assert site.sweep()["quarantined"] == 1
    assert [session["reasons"] for session in site.quarantine_sessions()] == [{"closed": 1}]
    intake.done(site, batch.name)
    assert site.verify()["sound"]


def test_an_experiment_that_is_finished_between_the_answer_and_the_registration(at_once, make_batch_of):
    """What it held then is not all: a finished experiment is finalized only when what was decided before must have
    come.
    """
    site, batch = at_once, make_batch_of(at_once)
    new = site.register()
    answers = batch.ask(file := batch.image(new))
    meanwhile(site, "experiment_finish", {"experiment": new})
    (path,) = batch.register(file, answers=answers)
    assert meanwhile(site, "experiment_finalize", {"experiment": new})["state"] == "finalized"
    manifest = next(one for one in site.paths(f"studies/{PAIN}/experiments/{new}") if "manifest" in one)
    assert path.rpartition("/")[2] in site.connect().read(f"{site.settings.home}/{manifest}", 0, 1 << 20).decode()


def test_an_experiment_that_is_withdrawn_between_the_answer_and_the_registration(at_once, make_batch_of):
    """What comes into it is hidden with it, and comes back with it."""
    site, batch = at_once, make_batch_of(at_once)
    new = site.register()
    first, second = batch.image(new), batch.image(new, 2, EchoTime=5.5)
    (one,) = batch.register(first)
    assert site.connect(ALICE).read(one, 0, 4) == first.content[:4]
    answers = batch.ask(second)
    meanwhile(site, "withdraw", {"experiment": new, "reason": Reason.CONSENT, "dry_run": False})
    (path,) = batch.register(second, answers=answers)
    for alice in (site.connect(ALICE), site.new_connection(ALICE)):
        with pytest.raises(ZoneError):
            alice.read(path, 0, 4)
        assert alice.query(["DATA_NAME"], Condition("DATA_NAME", "like", "%.dcm")) == []
    site.reconnect()
    site.rule("lifecycle")
    assert site.avus(path) == {}, "nothing tells of it"
    meanwhile(site, "restore", {"experiment": new})
    alice = site.connect(ALICE)
    assert alice.read(path, 0, 1 << 20) == second.content
    assert site.avus(path) == {"EchoTime": "0.0055"}
    intake.done(site, batch.name)
    assert site.verify()["sound"]


# Who may


def test_only_the_service_account_asks(site, archived):
    file = archived.image(site.register())
    for user in (ALICE, STEWARD):
        with pytest.raises(ZoneError):
            archived.reply(file, user=user)


def test_nobody_else_registers_what_was_decided(site, archived):
    """Not even the one whose experiment it is."""
    file = archived.image(site.register())
    answers = archived.ask(file)
    for user in (ALICE, STEWARD):
        with pytest.raises(NotPermitted):
            archived.register(file, answers=answers, zone=site.connect(user))
    assert site.connect().stat(answers[0][1]) is None


def test_only_the_connection_that_asked_may_register(site, archived):
    file = archived.image(site.register())
    answers = archived.ask(file)
    with site.new_connection() as other, pytest.raises(NotPermitted):
        archived.register(file, answers=answers, zone=other)
    assert archived.register(file, answers=answers) == [answers[0][1]]


def test_only_what_was_decided_last_may_be_registered(site, archived):
    """One row that was not decided about, or otherwise, and none is registered."""
    new, other = site.register(), site.register(pseudonym="P2")
    first, second, third = (
        archived.image(experiment, number) for number, experiment in enumerate((new, other, new), 1)
    )
    one, two, three = archived.ask(first, second, third)
    for answers in ([one, three, two], [one, two, ["placed", f"{layout.parent(three[1])}/x", ""]]):
        with pytest.raises(NotPermitted):
            archived.register(first, second, third, answers=answers)
    archived.ask(first, second)
    with pytest.raises(NotPermitted):
        archived.register(first, second, third, answers=[one, two, three])
    assert [path for path in site.paths("studies") if path.endswith(".dcm")] == []
    assert sorted(archived.register(first, second, answers=[one, two])) == sorted([one[1], two[1]])


# Names


@pytest.mark.parametrize(
    "name",
    [
        "o'clock",
        '"quoted"',
        "100%",
        "a_b",
        "back\\slash",
        "-rf",
        " blanks ",
        "caf\u00e9",
        "\u65e5\u672c",
        "*?[x]",
        "a=b",
    ],
)
def test_odd_names(site, batch, name):
    new = site.register()
    files = [batch.own(f"{T94}/expdata/{new}/{name}/{name}", b"trigger"), batch.own(f"{T94}/dicom/{name}", b"neither")]
    answers = batch.ask(*files)
    paths = [f"studies/{PAIN}/experiments/{new}/EXP_DATA/{name}/{name}", f"landing/{T94}/dicom/{name}"]
    assert [home(site, path) for _, path, _ in answers] == paths
    batch.register(*files, answers=answers)
    assert [site.connect().read(f"{site.settings.home}/{path}", 0, 99) for path in paths] == [b"trigger", b"neither"]
    assert batch.ask(*files, resumed=True) == [["known", path, ""] for _, path, _ in answers]


@pytest.mark.parametrize("name", ["o'y || b", "a && 'b'", "\\x41"])
def test_a_name_that_irods_stumbles_over(site, batch, name):
    """The scanner escapes it. Where it comes all the same it is refused or works, and lets no other file go wrong."""
    new = site.register()
    bad, good = batch.own(f"{T94}/expdata/{new}/{name}", b"bad"), batch.own(f"{T94}/expdata/{new}/good", b"good")
    reply = batch.reply(bad)
    with suppress(ZoneError):
        registered = batch.register(bad, answers=reply["files"]) if "error" not in reply else []
        assert [site.connect().read(path, 0, 9) for path in registered] in ([], [b"bad"])
    assert [outcome for outcome, _, _ in batch.ask(good)] == ["placed"]
    (path,) = batch.register(good)
    assert site.connect().read(path, 0, 9) == b"good"
    assert len([one for one in site.paths() if one.endswith("/good")]) == 1
