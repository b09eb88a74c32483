"""Castellum over HTTP: what is right is taken, and whatever goes wrong is an error, over real sockets."""

import subprocess
import time

import pytest

from microservices.castellum.castellum_http import HttpSource
from mrdata.demonstration.pretend_castellum import STUDIES, PretendCastellum, Study
from policy.castellum.snapshot import SeenStudy, SourceError
from policy.zone.settings import settings_from

TOKEN = "secret-token"


@pytest.fixture
def castellum():
    pain = Study(
        17, "pain", "Pain", members=["alice"], subjects={f"P{n}": {"handedness": "left", "n": n} for n in range(7)}
    )
    sleep = Study(18, "sleep", status="finished", members=[], subjects={"P1": {"handedness": "right"}})
    with PretendCastellum(pain, sleep, token=TOKEN, page=3).running() as castellum:
        yield castellum


@pytest.fixture
def source(castellum, tmp_path):
    with_settings = []

    def make(**changes):
        (tmp_path / "token").write_text(f"{changes.pop('token', TOKEN)}\n")
        given = {
            "source": "http",
            "url": castellum.url,
            "token_file": str(tmp_path / "token"),
            "tries": 2,
            "retry_seconds": 0.01,
            **changes,
        }
        with_settings.append(HttpSource(settings_from({"zone": "z", "castellum": given}).castellum))
        return with_settings[-1]

    yield make
    for made in with_settings:
        made.close()


def pain(source):
    return next(s for s in source.studies().studies if s.id == "pain")


def test_studies_and_their_subjects_come_page_by_page(castellum, source):
    asked = source()
    listing = asked.studies()
    assert listing.faults == {}
    assert listing.studies == [
        SeenStudy("pain", "17", "Pain", ("alice",), True, "d1"),
        SeenStudy("sleep", "18", "", (), False, "d1"),
    ]
    subjects = asked.subjects(listing.studies[0])
    assert subjects == castellum.studies["pain"].subjects
    assert castellum.requests[castellum.studies["pain"].path] == 3
    assert asked.requests_made == 4
    assert set(castellum.seen_tokens) == {f"Token {TOKEN}"}


WRONG = {
    "slow": "Timeout", "drip": "no whole answer within", "half": "Incomplete|Connection", "status 500": r"status 500 \(2 tries\)",
    "status 401": "token in castellum.token_file is not accepted", "status 403": "may not read", "status 404": "status 404",
    "redirect": "redirection", "html": "not JSON", "no results": "holds no 'results'", "wrong count": "count says",
    "foreign next": "at another address", "endless pages": "stands twice|pages never end", "cut page": "Incomplete|Connection",
    "no such name": "lacks 'pseudonym'",
}  # fmt: skip


def patience(fault):
    """Half a second where the fault is slowness; else as much as a busy machine may need."""
    return 0.5 if fault in ("slow", "drip") else 30


@pytest.mark.parametrize(("fault", "says"), WRONG.items())
def test_what_goes_wrong_is_an_error(castellum, source, fault, says):
    study = pain(source())
    asked = source(timeout_seconds=patience(fault))
    castellum.faults[castellum.studies["pain"].path] = fault
    with pytest.raises(SourceError, match=says) as caught:
        asked.subjects(study)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("fault", [f for f in WRONG if f not in ("cut page", "no such name")])
def test_a_list_of_studies_that_is_wrong_is_an_error(castellum, source, fault):
    castellum.faults[STUDIES] = fault
    with pytest.raises(SourceError):
        source(timeout_seconds=patience(fault)).studies()


def test_what_passes_is_tried_again(castellum, source):
    castellum.faults[STUDIES] = "status 503 once"
    asked = source()
    assert len(asked.studies().studies) == 2
    assert asked.requests_made == 2


def test_waits_grow_and_end(castellum, source):
    castellum.faults["*"] = "status 500"
    start = time.monotonic()
    with pytest.raises(SourceError, match="3 tries"):
        source(tries=3, retry_seconds=0.2).studies()
    assert time.monotonic() - start >= 0.6
    assert castellum.requests[STUDIES] == 3


def test_a_cursor_is_in_no_message(castellum, source, monkeypatch):
    asked = source()
    monkeypatch.setattr(
        asked, "_own", lambda address, following: "http://127.0.0.1:9/next?cursor=Anna" if following else ""
    )
    with pytest.raises(SourceError, match="Connection") as caught:
        asked.subjects(pain(source()))
    assert "Anna" not in str(caught.value)


def test_nobody_there(castellum, source):
    with pytest.raises(SourceError, match="Connection"):
        source(url="http://127.0.0.1:9").studies()


def test_a_wrong_token_is_general(castellum, source):
    with pytest.raises(SourceError) as caught:
        source(token="another").studies()
    assert caught.value.general
    assert "another" not in str(caught.value)
    assert castellum.requests[STUDIES] == 1


@pytest.mark.parametrize("text", ["", "two words", "a\nb"])
def test_a_token_file_holds_one_token(source, text):
    with pytest.raises(SourceError, match="must hold one token"):
        source(token=text)


def test_a_token_file_that_is_missing(source):
    with pytest.raises(SourceError, match="No such file"):
        source(token_file="/nowhere/token")


def test_names_of_fields_are_settings(castellum, source):
    castellum.records = lambda path: (
        [{"pk": 5, "slug": "pain", "state": "running", "lists": "L"}]
        if path == "/s/"
        else [{"code": "P1", "hand": "left"}]
        if path == "/a/5/L"
        else None
    )
    fields = {"key": "pk", "study": "slug", "status": "state", "lists": "lists", "pseudonym": "code", "attributes": ""}
    asked = source(studies_path="/s/", attributes_path="/a/{study}/{list}", active=["running"], fields=fields)
    (study,) = asked.studies().studies
    assert study == SeenStudy("pain", "5", None, None, True, "L")
    assert asked.subjects(study) == {"P1": {"code": "P1", "hand": "left"}}


def test_a_study_with_several_lists_names_one(castellum, source):
    castellum.studies["pain"].domains = ["d1", "d2"]
    assert "name the one to use in castellum.lists.pain" in source().studies().faults["pain"]
    assert pain(source(lists={"pain": "d2"})).pseudonym_list == "d2"
    assert "has no pseudonym list 'd3'" in source(lists={"pain": "d3"}).studies().faults["pain"]


def test_a_study_without_pseudonyms_has_no_subjects(castellum, source):
    castellum.studies["pain"].domains = []
    asked = source()
    assert asked.subjects(pain(asked)) == {}
    assert asked.requests_made == 1


def test_a_name_that_cannot_be_one_is_a_fault_of_that_study_alone(castellum, source):
    castellum.studies["x"] = Study(19, "Anna Mueller")
    listing = source().studies()
    assert [s.id for s in listing.studies] == ["pain", "sleep"]
    assert "12 characters and cannot be a StudyID" in listing.faults["#3"]
    assert "Anna" not in str(listing.faults)  # it may tell who somebody is


def test_twice_the_same_name(castellum, source):
    castellum.studies["x"] = Study(19, "pain")
    with pytest.raises(SourceError, match="two studies"):
        source().studies()


@pytest.fixture
def certificate(tmp_path):
    key, file = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=castellum"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file, key


def test_a_certificate_is_checked(certificate, source):
    file, key = certificate
    with PretendCastellum(Study(1, "pain"), certificate=str(file), key=str(key)).running() as castellum:
        with pytest.raises(SourceError, match="TLS") as caught:
            source(url=castellum.url).studies()
        assert caught.value.general
        assert castellum.seen_tokens == []
        assert [s.id for s in source(url=castellum.url, ca_file=str(file)).studies().studies] == ["pain"]
