"""Events: written into the outbox, delivered to hooks that really listen, in order, again after a failure, each hook
for itself.
"""

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from microservices.headers.header_reader import read_header
from policy.records import event, event_delivery
from policy.zone import NotFound, ZoneError
from policy.zone.context import Context
from policy.zone.registry import Registry
from tests.zone.irule import irule
from tests.zone.names import ALICE, BOB, PAIN, SLEEP

SECRET = "a secret of more than sixteen characters"


class Hook:
    """A server that listens on 127.0.0.1.

    `answer(event)` gives the status, or an exception that breaks the connection.
    """

    def __init__(self):
        self.got, self.headers = [], []
        self.answer = lambda event: 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.headers.append((dict(self.headers), body))
                status = hook.answer(json.loads(body))
                if status == 200:
                    hook.got.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *arguments):
                """Not to the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/events?token=hidden"

    def order(self, experiment):
        return [e["number"] for e in self.got if e["experiment"] == experiment]


@pytest.fixture
def hooks():
    made = {"first": Hook(), "second": Hook()}
    yield made
    for hook in made.values():
        hook.server.shutdown()
        hook.server.server_close()


@pytest.fixture
def make_context(make_site, hooks, tmp_path_factory, server):
    """Makes a site whose events go to the two hooks, and a context of the service account."""

    def make(**changes):
        folder = tmp_path_factory.mktemp("secrets")
        secret = folder / "secret"
        secret.write_text(SECRET + "\n")
        if server is not None:  # the server's own account reads it
            import shutil

            for place in (*folder.parents[:3], folder):
                place.chmod(place.stat().st_mode | 0o011)
            shutil.chown(secret, "irods")
        secret.chmod(0o600)
        given = {
            name: {"url": hook.url, "secret_file": str(secret), **changes.pop(name, {})} for name, hook in hooks.items()
        }
        lifecycle = changes.pop("lifecycle", {})
        site = make_site(
            events={"hooks": given, "retry_seconds": 0, "timeout_seconds": 2.0, **changes}, lifecycle=lifecycle
        )
        return site, Context(site.connect(), site.settings, read_header)

    return make


def test_an_event_is_in_the_outbox_and_at_both_hooks_signed(make_context, hooks):
    site, context = make_context()
    new = site.register()
    assert event.emit(context, "series_complete", new, once="1.2.3", series=4)
    assert event.emit(context, "series_complete", new, once="1.2.3", series=4) is None
    experiment = Registry(context).experiment(new)
    *_, written = event.events(context, experiment)
    assert (written.kind, written.details, written.study, written.path) == (
        "series_complete",
        {"series": 4},
        PAIN,
        experiment.path,
    )
    site.rule("events")
    for hook in hooks.values():
        assert hook.got[-1]["id"] == written.id
        headers, body = hook.headers[-1]
        assert headers["X-MrData-Event"] == written.id
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-MrData-Signature"] == f"sha256={expected}"
    before = {name: len(hook.got) for name, hook in hooks.items()}
    assert site.rule("events") == {}
    assert before == {name: len(hook.got) for name, hook in hooks.items()}


def test_who_may_read_the_study_may_read_its_events_and_nobody_else(make_context):
    site, context = make_context()
    new = site.register()
    event.emit(context, "finished", new)
    experiment = Registry(context).experiment(new)
    path = f"{event.collection(site.settings, PAIN, new)}/{event.names(context, event.collection(site.settings, PAIN, new))[-1]}"
    assert experiment.study == PAIN
    assert json.loads(site.connect(ALICE).read(path, 0, 10000))["kind"] == "finished"
    assert site.connect(BOB).stat(path) is None
    with pytest.raises(ZoneError):
        site.connect(BOB).read(path, 0, 10)


def test_a_hook_that_fails_holds_up_neither_the_other_nor_another_experiment(make_context, hooks):
    site, context = make_context()
    bad, good = site.register(), site.register(study=SLEEP, owner=BOB)
    for experiment in (bad, good):
        for _ in range(3):
            event.emit(context, "finished", experiment)
    hooks["first"].answer = lambda e: 503 if e["experiment"] == bad else 200
    done = site.rule("events")
    waiting = {(w["hook"], w["experiment"]): w for w in site.rule("events_waiting")["waiting"]}
    numbers = [e.number for e in event.events(context, Registry(context).experiment(good))]
    assert hooks["second"].order(bad) == hooks["second"].order(good) == hooks["first"].order(good) == numbers
    assert hooks["first"].order(bad) == []
    assert done["failed"] == 1
    assert list(waiting) == [("first", bad)]
    assert (waiting["first", bad]["tries"], len(waiting["first", bad]["names"])) == (1, len(numbers))
    hooks["first"].answer = lambda e: 200
    assert site.rule("events") == {"delivered": len(numbers)}
    assert hooks["first"].order(bad) == numbers
    assert site.rule("events_waiting")["waiting"] == []


def test_a_hook_that_hangs_and_one_that_is_not_there_let_the_other_have_its_events(make_context, hooks):
    site, context = make_context()
    new = site.register()
    event.emit(context, "finished", new)
    numbers = [e.number for e in event.events(context, Registry(context).experiment(new))]
    hooks["first"].answer = lambda e: time.sleep(6) or 200
    start = time.monotonic()
    assert site.rule("events")["failed"] == 1
    assert time.monotonic() - start < 15
    assert hooks["second"].order(new) == numbers
    hooks["first"].server.shutdown()
    hooks["first"].server.server_close()
    event.emit(context, "finalized", new)
    assert site.rule("events") == {"delivered": 1, "failed": 1}
    assert hooks["second"].order(new) == [*numbers, numbers[-1] + 1]
    (found,) = site.rule("events_waiting")["waiting"]
    assert (found["hook"], found["tries"]) == ("first", 2)


def test_it_waits_longer_after_each_try_and_the_stewards_are_told(make_context, hooks, monkeypatch):
    site, context = make_context(retry_seconds=100, longest_wait_seconds=1000)
    new = site.register()
    event.emit(context, "finished", new)
    now = [time.time()]
    later = Context(context.zone, context.settings, read_header, now=lambda: now[0])
    waits = []
    for _ in range(event_delivery.REPORTED):
        assert event_delivery.deliver(later, lambda *a: "HTTP 500")["failed"] == 2
        found = event_delivery.waiting(later)
        waits.append(found[0].due - int(now[0]))
        assert event_delivery.deliver(later, lambda *a: "HTTP 500") == {}
        now[0] = found[0].due
    assert waits == [100, 200, 400, 800, *[1000] * (event_delivery.REPORTED - 4)]
    from policy.records import review

    reviews = [r for r in review.reviews(context) if r.kind == "hook" and new in r.text]
    assert len(reviews) == 2
    assert "HTTP 500" in reviews[0].text
    assert "hidden" not in reviews[0].text


def test_one_event_is_given_up_and_the_next_ones_follow(make_context, hooks):
    site, context = make_context(second={"kinds": ["withdrawn"]})
    new = site.register()
    event.emit(context, "finished", new)
    numbers = [e.number for e in event.events(context, Registry(context).experiment(new))]
    hooks["first"].answer = lambda e: 400 if e["number"] == numbers[0] else 200
    event.emit(context, "finalized", new)
    site.rule("events")
    assert hooks["first"].order(new) == []
    assert "no event of" in site.ask("event_skip", {"hook": "second", "experiment": new})["error"]
    assert site.rule("event_skip", {"hook": "first", "experiment": new})["skipped"].startswith(f"{numbers[0]:06d}_")
    site.rule("events")
    assert hooks["first"].order(new) == [*numbers[1:], numbers[-1] + 1]
    assert hooks["second"].got == []


def test_killed_between_the_hook_s_answer_and_noting_it_the_event_comes_again_with_its_id(
    make_context, hooks, monkeypatch
):
    site, context = make_context(second={"studies": ["none"]})
    new = site.register()
    event.emit(context, "finished", new)
    with monkeypatch.context() as killed:
        killed.setattr(event_delivery, "_note", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        from microservices.rules import hooks as sender

        with pytest.raises(KeyboardInterrupt):
            event_delivery.deliver(context, sender.post)
    arrived = -1
    while arrived != (arrived := len(hooks["first"].got)):
        time.sleep(1)  # what was on its way arrives
    first = [e["id"] for e in hooks["first"].got]
    assert len(first) >= 1
    site.rule("events")
    again = [e["id"] for e in hooks["first"].got][len(first) :]
    assert again == [e.id for e in event.events(context, Registry(context).experiment(new))]
    assert again[: len(first)] == first


def test_what_was_announced_and_never_written_is_forgotten_and_what_is_being_written_waits(
    make_context, hooks, monkeypatch
):
    site, context = make_context()
    new = site.register()
    event.emit(context, "finished", new)
    with monkeypatch.context() as killed:
        killed.setattr(type(context.zone), "write", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            event.emit(context, "finalized", new)
    site.rule("events")
    assert [w["names"][0].split("_")[2] for w in site.rule("events_waiting")["waiting"]] == ["finalized"] * 2
    later = Context(context.zone, context.settings, read_header, now=lambda: time.time() + event_delivery.UNWRITTEN + 1)
    assert event_delivery.deliver(later, lambda *a: "") == {}
    assert event_delivery.waiting(later) == []
    event.emit(context, "finalized", new)
    site.rule("events")
    assert [e["kind"] for e in hooks["first"].got][-2:] == ["finished", "finalized"]


def test_of_an_erased_experiment_one_event_stays_when_every_hook_has_all(make_context, hooks):
    site, context = make_context(
        second={"kinds": ["series_complete"]}, lifecycle={"withdrawal_days": 0.0, "due_again_hours": 0.0}
    )
    new, other = site.register(), site.register()
    event.emit(context, "series_complete", new, series="1_of_somebody")
    hooks["second"].answer = lambda e: 500
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.rule("lifecycle")
    base = event.collection(site.settings, PAIN, new)
    kinds = ["registered", "series_complete", "withdrawn", "erased"]
    site.rule("events")
    site.rule("lifecycle")
    assert [event.kind_of(name) for name in event.names(context, base)] == kinds
    hooks["second"].answer = lambda e: 200
    site.rule("events")
    assert [e["kind"] for e in hooks["first"].got if e["experiment"] == new] == kinds
    assert [e["kind"] for e in hooks["second"].got] == ["series_complete"]
    site.rule("lifecycle")
    assert [event.kind_of(name) for name in event.names(context, base)] == ["erased"]
    assert {avu.attribute for avu in context.zone.metadata(base)} == set()
    assert len(event.names(context, event.collection(site.settings, PAIN, other))) == 1


@pytest.mark.parametrize("secret", ["short", None, "readable"])
def test_without_a_secret_nothing_is_sent(make_context, hooks, secret, tmp_path):
    from microservices.rules.hooks import post
    from policy.zone.settings import Hook as Settings

    file = tmp_path / "secret"
    if secret:
        file.write_text("short" if secret == "short" else SECRET)
        file.chmod(0o644 if secret == "readable" else 0o600)
    fault = post(Settings(hooks["first"].url, str(file)), "id", b"{}\n", 5.0)
    assert str(file) in fault
    assert hooks["first"].headers == []


def test_an_unknown_experiment_and_an_unknown_kind_are_errors(make_context):
    site, context = make_context()
    with pytest.raises(NotFound):
        event.emit(context, "finished", "XXXX-XXXX")
    with pytest.raises(ValueError, match="eaten"):
        event.emit(context, "eaten", site.register())


def test_events_of_a_hook_that_is_no_more_are_forgotten(make_context, hooks):
    site, context = make_context()
    new = site.register()
    event.emit(context, "finished", new)
    fewer = Context(context.zone, type(context.settings)(zone=context.settings.zone), read_header)
    assert event_delivery.deliver(fewer, lambda *a: "")["forgotten"] >= 2
    assert event_delivery.waiting(fewer) == []


def test_the_rule_file_lists_and_gives_up(make_context, hooks):
    site, _ = make_context(second={"kinds": ["withdrawn"]})
    new = site.register()
    hooks["first"].answer = lambda e: 500
    site.rule("events")
    assert f"first {new}: 1 events, 1 tries" in irule(site, "events_waiting")
    assert "Given up: 000001_" in irule(site, "events_waiting", hook="first", experiment=new, skip="yes")
    assert "Error: no event" in irule(site, "events_waiting", hook="first", experiment=new, skip="yes")
    assert new not in irule(site, "events_waiting")
