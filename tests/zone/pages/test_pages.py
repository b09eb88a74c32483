"""The web pages without a browser: sessions, limits, and a web server in front."""

from __future__ import annotations

import html
import http.client
import re
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from types import SimpleNamespace

import pytest

from microservices.headers.header_reader import read_header
from policy.records import review
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, STEWARD, T94

pytest.importorskip("flask", reason="the web pages are not installed: pip install '.[web]'")
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
    from forms.login_sessions import Logins

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


def log_in(client, name, address="192.0.2.1"):
    """The answer to a log-in from there."""
    sent = {"csrf": token(client.get("/login").text), "name": name}
    return client.post("/login", data=sent, environ_base={"REMOTE_ADDR": address})


def refusing(gateway, monkeypatch, *, also=()):
    """Pages whose zone takes nobody's password from the addresses of this test: only `client.right` is right."""
    from forms.app import create_app
    from forms.gateway import LoginRefused

    client, opened = create_app(gateway, secure=False).test_client(), type(gateway).open

    def open_zone(self, name, password):
        if not client.right:
            raise LoginRefused(name)
        return opened(self, name, password)

    client.right = False
    monkeypatch.setattr(type(gateway), "open", open_zone)
    return client


def test_who_fails_too_often_waits(gateway, monkeypatch):
    client = refusing(gateway, monkeypatch)
    assert [log_in(client, ALICE).status_code for _ in range(6)] == [401] * 5 + [429]
    assert "Try again in 5 minutes" in log_in(client, ALICE).text
    client.right = True
    assert log_in(client, ALICE).status_code == 429
    assert log_in(client, BOB).status_code == 302, "others are not kept out"


def test_wrong_passwords_from_elsewhere_keep_nobody_out(gateway, monkeypatch):
    """Neither five from one address nor fifty from many, where the person has logged in from her own before."""
    client = refusing(gateway, monkeypatch)
    for _ in range(6):
        log_in(client, ALICE, "203.0.113.1")
    client.right = True
    assert log_in(client, ALICE).status_code == 302
    client.post("/logout", data={"csrf": token(client.get("/register").text)})
    client.right = False
    codes = [log_in(client, ALICE, f"198.51.100.{n // 4}").status_code for n in range(60)]
    assert codes == [401] * 45 + [429] * 15, "and who guesses from many addresses is slowed down"
    client.right = True
    assert log_in(client, ALICE, "203.0.113.9").status_code == 429
    assert log_in(client, ALICE).status_code == 302


def test_many_tries_at_once_are_as_many(gateway, monkeypatch):
    from forms.attempt_limit import LogIns

    tries = LogIns()
    with ExitStack() as under_way:
        for _ in range(5):
            assert not tries.wait(ALICE, "192.0.2.1")
            under_way.enter_context(tries.tried(ALICE, "192.0.2.1"))
        assert tries.wait(ALICE, "192.0.2.1")
    assert not tries.wait(ALICE, "192.0.2.1"), "they were right"
    with suppress(ZeroDivisionError), tries.tried(ALICE, "192.0.2.1"):
        _ = 1 / 0
    assert not tries.by_both._failed


def test_an_address_that_fails_for_many_names_waits(gateway):
    from forms.app import create_app

    client = create_app(gateway, secure=False).test_client()
    codes = [log_in(client, f"nobody{n}", f"2001:db8::{n}").status_code for n in range(21)]
    assert codes == [401] * 20 + [429]


def test_a_limit_forgets():
    from forms.attempt_limit import Limit

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


def test_a_pattern_that_fits_in_many_ways_is_looked_for_as_quickly_as_any(site, gateway):
    site.land(f"{T94}/dicom/1", dicom(site.register(), ProtocolName="a" * 40))
    client, began = browser(gateway), time.perf_counter()
    for protocol in ("%" * 30 + "b", "%a" * 20 + "b", "a_" * 20):
        assert client.get("/search", query_string={"protocol": protocol}).status_code == 200
    assert time.perf_counter() - began < 5
    assert 'Found <small class="soft">1</small>' in client.get("/search?protocol=%25a_a%25").text
    for field in ("protocol", "pseudonym", "study", "tr_min"):
        answer = client.get("/search", query_string={field: "x" * 201})
        assert answer.status_code == 400
        assert "200 characters" in answer.text


def slow_for(site, monkeypatch, *users):
    """Everything that these users' connections ask waits until the event is set."""
    from embedded.client import embedded_zone
    from embedded.client.embedded_zone import EmbeddedZone

    end, asked = threading.Event(), threading.Semaphore(0)
    for verb in ("select", "query"):
        whole = getattr(EmbeddedZone, verb)

        def slow(self, *arguments, whole=whole, **named):
            if self.whoami().name in users and threading.current_thread() is not threading.main_thread():
                asked.release()
                assert end.wait(30)
            return whole(self, *arguments, **named)

        monkeypatch.setattr(embedded_zone.EmbeddedZone, verb, slow)
    return end, asked


def test_no_page_of_one_person_holds_up_another_s(site, gateway, monkeypatch):
    """As many requests as a browser can send, each waiting for the zone, and another person's page comes at once."""
    from forms.serve import THREADS, create_app

    app = create_app(gateway, secure=False)
    monkeypatch.setattr("forms.serve.create_app", lambda *a, **k: app)
    cookies = {}
    for name in (ALICE, BOB):
        client = app.test_client()
        assert log_in(client, name).status_code == 302
        cookies[name] = client.get_cookie("mrdata").value
    end, asked = slow_for(site, monkeypatch, ALICE)
    with served(gateway) as connection:
        answers = []

        def ask(path, name):
            with closing(http.client.HTTPConnection("127.0.0.1", connection.port, timeout=60)) as own:
                own.request("GET", path, headers={"Cookie": f"mrdata={cookies[name]}"})
                answers.append((name, own.getresponse().status))

        hers = [threading.Thread(target=ask, args=("/", ALICE)) for _ in range(THREADS * 2)]
        for thread in hers:
            thread.start()
        assert asked.acquire(timeout=20)
        began = time.perf_counter()
        ask("/", BOB)
        assert time.perf_counter() - began < 10
        assert (BOB, 200) in answers
        end.set()
        for thread in hers:
            thread.join()
    codes = [code for name, code in answers if name == ALICE]
    assert set(codes) == {200, 429}
    assert codes.count(200) >= 12


def test_no_page_holds_the_service_account_s_connection_from_another_one(site, gateway, monkeypatch):
    """Two data stewards at once, one of whose pages hangs in the middle of what the service account asks for it."""
    from forms import desk_pages as pages
    from forms.app import create_app
    from policy.views import quarantine_desk

    site.connect().group(site.settings.stewards, [STEWARD, BOB])
    app, end, asked = create_app(gateway, secure=False), threading.Event(), threading.Event()
    slow, quick = app.test_client(), app.test_client()
    assert log_in(slow, STEWARD).status_code == log_in(quick, BOB).status_code == 302

    def sessions(context):
        if threading.current_thread() is hanging:
            asked.set()
            assert end.wait(30)
        return quarantine_desk.sessions(context)

    monkeypatch.setattr(pages, "policy_desk", SimpleNamespace(**{**vars(quarantine_desk), "sessions": sessions}))
    hanging = threading.Thread(target=slow.get, args=("/quarantine",))
    hanging.start()
    assert asked.wait(20)
    others = threading.Thread(target=quick.get, args=("/quarantine",))
    others.start()
    others.join(timeout=10)
    is_held_up = others.is_alive()
    end.set()
    hanging.join()
    others.join()
    assert not is_held_up


def test_a_request_that_takes_too_long_is_given_up(make_site, monkeypatch):
    """What waits for the zone, and what waits for another request of the same person."""
    from forms.app import create_app
    from forms.gateway import EmbeddedGateway

    site = make_site(forms={"request_seconds": 1.0})
    app = create_app(EmbeddedGateway(site.folder), secure=False)
    client = app.test_client()
    assert log_in(client, ALICE).status_code == 302
    end, asked = slow_for(site, monkeypatch, ALICE)
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(client.get("/").status_code)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert asked.acquire(timeout=20)
    time.sleep(1.5)
    end.set()
    for thread in threads:
        thread.join()
    assert codes == [503, 503]
    assert client.get("/").status_code == 200, "the next one is not"


def test_who_leaves_while_a_page_is_made_ends_nothing_of_others(gateway):
    """A session that is over is closed by the request that still uses it; nobody waits for that."""
    from forms.login_sessions import Logins

    logins = Logins(gateway, idle=60, longest=200)
    number = logins.begin(ALICE, "")
    login, closed = logins.find(number), []
    close, login.connection.close = login.connection.close, lambda: closed.append(1)
    with login.zone():
        ending = threading.Thread(target=logins.end, args=(number,))
        ending.start()
        ending.join(timeout=5)
        assert not ending.is_alive()
        assert closed == []
    assert closed == [1]
    close()


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
    sent = {
        "csrf": token(client.get("/register").text),
        "study": PAIN,
        "pseudonym": "P1",
        "owner": ALICE,
        "scanner": T94,
    }
    answer = client.post("/register", data={**sent, "scan_type": "pilot"}, follow_redirects=True)
    new = re.search(r'id="the-id">([^<]+)<', answer.text)
    assert new
    row = re.search(r"<td>(\w+)</td><td>registered", client.get(f"/experiments/{new[1]}").text)
    assert row
    assert row[1] == ALICE


@pytest.mark.parametrize("missing", ["study", "pseudonym", "owner", "scanner", "scan_type"])
def test_each_missing_entry_is_marked(gateway, missing):
    client = browser(gateway)
    sent = {
        "study": PAIN,
        "pseudonym": "P1",
        "owner": ALICE,
        "scanner": T94,
        "scan_type": "pilot",
        "description": "kept",
    }
    answer = client.post("/register", data={**sent, missing: "", "csrf": token(client.get("/register").text)})
    assert answer.status_code == 400
    assert f'id="{missing}-error">Missing' in answer.text
    assert ">kept</textarea>" in answer.text


def test_an_embedded_zone_is_not_shown_to_others(site, monkeypatch):
    from mrdata.commands.web_command import serve
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
            "GET",
            "/mrdata/",
            headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "mri.example.org"},
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
