"""The web pages without a browser: sessions, limits, and a web server in front."""

from __future__ import annotations

import html
import http.client
import re
import threading
from contextlib import closing, contextmanager

import pytest

from microservices.headers import read_header
from policy import review
from policy.context import Context
from tests.zone.names import ALICE, PAIN, STEWARD, T94

pytest.importorskip("flask", reason="the web pages are not installed: pip install 'mrdata[web]'")
pytestmark = pytest.mark.embedded


@pytest.fixture
def gateway(site):
    from forms.gateway import EmbeddedGateway

    return EmbeddedGateway(site.folder)


def token(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found, text
    return found[1]


def browser(gateway, name: str = ALICE):
    """A client that is logged in."""
    from forms.app import create_app

    client = create_app(gateway, secure=False).test_client()
    sent = {"csrf": token(client.get("/login").text), "name": name}
    assert client.post("/login", data=sent).status_code == 302
    return client


def test_a_session_ends_without_requests_and_in_any_case(gateway):
    from forms.login import Logins

    clock = [0.0]
    logins = Logins(gateway, idle=60, longest=200, now=lambda: clock[0])
    number = logins.begin(ALICE, "")
    for at in (50, 100, 150):
        clock[0] = at
        assert logins.find(number)
    clock[0] = 201
    assert logins.find(number) is None
    idle = logins.begin(ALICE, "")
    clock[0] += 40
    assert logins.find(idle, touch=False), "a page that refreshes itself"
    clock[0] += 40
    assert logins.find(idle) is None


def test_who_fails_too_often_waits(gateway):
    from forms.app import create_app

    client = create_app(gateway, secure=False).test_client()
    sent = {"csrf": token(client.get("/login").text), "name": "nobody"}
    assert [client.post("/login", data=sent).status_code for _ in range(6)] == [401] * 5 + [429]
    assert "Try again in 5 minutes" in client.post("/login", data=sent).text
    assert client.post("/login", data={**sent, "name": ALICE}).status_code == 302, "others are not kept out"


def test_an_address_that_fails_for_many_names_waits(gateway):
    from forms.app import create_app

    client = create_app(gateway, secure=False).test_client()
    sent = {"csrf": token(client.get("/login").text)}
    codes = [client.post("/login", data={**sent, "name": f"nobody{n}"}).status_code for n in range(21)]
    assert codes == [401] * 20 + [429]


def test_a_limit_forgets():
    from forms.limit import Limit

    clock = [0.0]
    limit = Limit(2, 10, keys=2, now=lambda: clock[0])
    limit.failed("a")
    clock[0] = 4
    limit.failed("a")
    assert limit.wait("a") == 6
    clock[0] = 10
    assert limit.wait("a") == 0
    for key in ("b", "c", "d"):
        limit.failed(key)
    assert len(limit._failed) == 2


def test_a_form_without_its_token_is_refused(gateway):
    client = browser(gateway)
    for sent in ({}, {"csrf": ""}, {"csrf": "x"}):
        assert client.post("/register", data=sent).status_code == 400
    assert client.get("/").status_code == 200


def test_who_is_no_steward_any_more_may_not(site, gateway):
    site.connect().group(site.settings.stewards, [STEWARD])
    client = browser(gateway, STEWARD)
    assert client.get("/quarantine").status_code == 200
    site.connect().group(site.settings.stewards, [])
    assert client.get("/quarantine").status_code == 403


def test_a_query_s_names_are_no_arguments_of_a_link(site, gateway, monkeypatch):
    """What stands in the address goes into the links of a long list as it is, whatever it is named."""
    for _ in range(51):
        site.register()
    answer = browser(gateway).get("/?endpoint=x&filename=y&_external=1&_scheme=javascript&page=1")
    assert answer.status_code == 200
    links = [html.unescape(link) for link in re.findall(r'rel="next" href="([^"]+)"', answer.text)]
    assert links == ["?endpoint=x&filename=y&_external=1&_scheme=javascript&page=2"]
    second = browser(gateway).get("/" + links[0])
    assert second.status_code == 200
    assert "Page 2 of 2" in second.text


def test_only_stewards_read_and_answer_reviews(site, gateway):
    site.connect().group(site.settings.stewards, [STEWARD])
    context = Context(site.connect(), site.settings, read_header)
    review.open_review(context, "withdrawal", "Z4KQ-STAS 2026-01-02T00:00:00Z", "It has to be kept.")
    (asked,) = review.reviews(context)
    address, steward = f"/reviews/{asked.number}/erase", browser(gateway, STEWARD)
    assert steward.get(f"/reviews/{asked.number}/keep").status_code == 404, "no answer to this kind"
    assert steward.get(f"/reviews/{'0' * 16}/erase").status_code == 404
    sent = {"csrf": token(steward.get(address).text), "reason": "the subject insists"}
    alice = browser(gateway, ALICE)
    assert "/reviews" not in alice.get("/").text
    assert "/reviews" not in alice.get("/board").text
    own = token(alice.get("/register").text)
    assert alice.get("/reviews").status_code == alice.get(address).status_code == 403
    assert alice.post(address, data={**sent, "csrf": own}).status_code == 403
    for wrong in ({**sent, "csrf": "x"}, {**sent, "reason": " "}, {**sent, "reason": "x" * 1001}):
        assert steward.post(address, data=wrong).status_code == 400
    assert [one.closed for one in review.reviews(context)] == [""]
    assert steward.post(address, data=sent).status_code == 303
    (judged,) = review.reviews(context, closed=True)
    assert (judged.verdict, judged.by) == ("erase: the subject insists", STEWARD)
    assert steward.post(address, data=sent).status_code == 409
    assert steward.get(address).status_code == 409


def test_history_tells_who_registered(site, gateway):
    client = browser(gateway)
    sent = {"csrf": token(client.get("/register").text), "study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94}
    answer = client.post("/register", data={**sent, "scan_type": "pilot"}, follow_redirects=True)
    new = re.search(r'id="the-id">([^<]+)<', answer.text)
    assert new
    row = re.search(r"<td>(\w+)</td><td>registered", client.get(f"/experiments/{new[1]}").text)
    assert row
    assert row[1] == ALICE


@pytest.mark.parametrize("missing", ["study", "pseudonym", "owner", "scanner", "scan_type"])
def test_each_missing_entry_is_marked(gateway, missing):
    client = browser(gateway)
    sent = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot", "description": "kept"}
    answer = client.post("/register", data={**sent, missing: "", "csrf": token(client.get("/register").text)})
    assert answer.status_code == 400
    assert f'id="{missing}-error">Missing' in answer.text
    assert ">kept</textarea>" in answer.text


def test_an_embedded_zone_is_not_shown_to_others(site, monkeypatch):
    from mrdata.web import serve
    from policy.zone import ZoneError

    monkeypatch.setenv("MRDATA_ZONE", str(site.folder))
    with pytest.raises(ZoneError, match=r"127\.0\.0\.1 only"):
        serve("0.0.0.0", 0)


@contextmanager
def served(gateway):
    from forms.serve import server

    listening = server(gateway, port=0)
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", listening.effective_port)) as connection:
            yield connection
    finally:
        listening.close()
        thread.join(timeout=10)


def test_behind_a_web_server_at_a_sub_path(make_site):
    from forms.gateway import EmbeddedGateway

    site = make_site(forms={"prefix": "/mrdata", "proxy": "127.0.0.1"})
    with served(EmbeddedGateway(site.folder)) as connection:
        connection.request(
            "GET", "/mrdata/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "mri.example.org"}
        )
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers["Location"]) == (302, "/mrdata/login")
        connection.request("GET", "/mrdata/login", headers={"X-Forwarded-Proto": "https"})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert "Path=/mrdata; SameSite=Lax" in answer.headers["Set-Cookie"]
        assert "Secure; HttpOnly" in answer.headers["Set-Cookie"]
        assert set(re.findall(r'(?:href|src|action)="(/[^"/]*)', text)) == {"/mrdata"}
