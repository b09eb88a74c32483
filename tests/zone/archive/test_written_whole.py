"""Small objects that are replaced.

Whole at every moment, whenever their writer is killed and whoever reads meanwhile.
"""

import json
import threading
import time

import pytest

from policy.archive import fixity_state
from policy.archive.fixity_state import State
from policy.zone import ZoneError, small_object
from policy.zone.context import Context
from tests.zone.dying import Killed


class Mortal:
    """A zone whose user is killed in the middle of the n-th change."""

    def __init__(self, zone, changes: int) -> None:
        self.zone, self.left = zone, changes

    def __getattr__(self, verb):
        whole = getattr(self.zone, verb)
        return (
            whole
            if verb not in ("write", "erase", "move")
            else lambda *arguments: self._change(verb, whole, *arguments)
        )

    def _change(self, verb, whole, *arguments) -> None:
        self.left -= 1
        if self.left == 0:
            if verb == "write":
                whole(arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise Killed
        whole(*arguments)


@pytest.fixture
def path(site):
    collection = f"{site.settings.home}/small"
    site.connect().make_collection(collection)
    yield f"{collection}/a.json"
    site.connect().erase(collection)


def text(number: int) -> bytes:
    return json.dumps({"number": number, "long": "x" * (1000 - 100 * number)}).encode()


def number(zone, path) -> int:
    found = small_object.load(zone, path)
    return found["number"] if found else 0


@pytest.mark.parametrize("change", range(1, 5))
@pytest.mark.parametrize("again", range(1, 6))
def test_killed_twice_it_holds_what_was_written_last(site, path, change, again):
    zone = site.connect()
    known = 0
    for content, changes in ((1, change), (2, again)):
        try:
            small_object.write(Mortal(zone, changes), path, text(content))
        except Killed:
            assert number(zone, path) in (known, content)
        else:
            assert number(zone, path) == content
        known = number(zone, path)
    small_object.write(zone, path, text(3))
    assert number(zone, path) == 3
    assert zone.stat(f"{path}.new") is None


def test_a_reader_always_finds_the_whole(site, path):
    zone, seen, over = site.connect(), [], threading.Event()
    small_object.write(zone, path, text(1))

    def read():
        with site.new_connection() as other:
            while not over.wait(0.02):
                seen.append(number(other, path))

    reader = threading.Thread(target=read)
    reader.start()
    for content in range(60):
        small_object.write(zone, path, text(1 + content % 9))
        time.sleep(0.05)
    over.set()
    reader.join()
    assert len(seen) > 10
    assert 0 not in seen


def test_nothing_is_there(site, path):
    assert small_object.load(site.connect(), path) is None
    with pytest.raises(ZoneError):
        small_object.write(site.connect(), f"{path}/b/c.json", b"{}")


def test_the_state_of_fixity_that_is_no_json_begins_anew(site):
    context = Context(site.connect(), site.settings, lambda *_: None)
    fixity_state.save(context, State(total=94))
    assert fixity_state.load(context).total == 94
    context.zone.write(f"{site.settings.home}/fixity/state.json", b"")
    assert fixity_state.load(context) == State()
    fixity_state.save(context, State(total=95))
    assert fixity_state.load(context).total == 95
