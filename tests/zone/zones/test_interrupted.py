"""Killed between any two steps of a withdrawal, a restoration, an erasure or a finalization: done again, it is as if
nothing had been.

The steps are what changes the zone. After each number of them the agent is stopped, as a kill stops it, and a new one
goes on.
"""

from policy.zone import ZoneError, layout
from tests.zone.dying import Killed
from tests.zone.names import ALICE, BOB, PAIN
from tests.zone.withdrawal.test_withdrawal import SECRET, copies, describe_site, events, found, held, scanned

VERBS = ("write", "make_collection", "rename", "remove", "erase", "annotate", "permit", "inherit", "prune", "_modify")
CHANGES = [("microservices.zones.server_zone", "ServerZone", verb) for verb in VERBS]


def interrupted_everywhere(site, killer, first, again, stride: int = 1) -> int:
    """Does `first` and is killed before its n-th change, for each n;

    `again` goes on, is killed as well, and ends undisturbed.
    """
    step = 0
    while True:
        killer.left = step
        if not struck(site, killer, first, step):
            killer.left = -1
            return step
        killer.left = step // 2
        struck(site, killer, again, step)
        killer.left = -1
        again(step)
        step += stride


def struck(site, killer, act, step: int) -> bool:
    """Whether the agent was killed while it did this."""
    try:
        act(step)
    except (Killed, ZoneError):
        if not killer.has_struck:
            raise
        site.reconnect()
        return True
    return False


def test_a_withdrawal_killed_anywhere_is_finished_by_the_next_run(make_site):
    site = describe_site(make_site)
    made: list[str] = []

    def withdraw(_: int) -> None:
        killer_left, killer.left = killer.left, -1
        made.append(scanned(site, images=1))
        copies(site, made[-1])
        killer.left = killer_left
        site.rule("withdraw", {"experiment": made[-1], "dry_run": False})

    def go_on(_: int) -> None:
        if (
            site.ask("withdraw", {"experiment": made[-1], "dry_run": False})
            .get("error", "")
            .startswith(f"{made[-1]} is withdrawn")
        ):
            site.rule("lifecycle")
        site.rule("lifecycle")

    with site.counted(CHANGES) as killer:
        steps = interrupted_everywhere(site, killer, withdraw, go_on, stride=7)
    assert steps > 10
    assert found(site, ALICE, *made, SECRET) == []
    assert found(site, BOB, *made, SECRET) == []
    for one in made:
        assert site.rule("restore", {"experiment": one})["elsewhere"] == []
        assert site.connect(ALICE).read(f"/{site.settings.zone}/home/{ALICE}/{PAIN}of{one}.nii", 0, 99) == b"converted"


def test_a_restoration_killed_anywhere_is_finished_by_the_next_run(make_site):
    site = describe_site(make_site)
    new = scanned(site, images=1)
    tops = [f"{layout.study(site.settings, PAIN)}/experiments/{new}", *copies(site, new)]
    before = {top: held(site, top) for top in tops}

    def restore(_: int) -> None:
        left, killer.left = killer.left, -1
        site.rule("withdraw", {"experiment": new, "dry_run": False})
        killer.left = left
        site.rule("restore", {"experiment": new})

    def go_on(_: int) -> None:
        site.ask("restore", {"experiment": new})
        site.rule("lifecycle")
        left, killer.left = killer.left, -1
        assert {top: held(site, top) for top in tops} == before
        killer.left = left

    with site.counted(CHANGES) as killer:
        assert interrupted_everywhere(site, killer, restore, go_on, stride=5) > 10
    assert {top: held(site, top) for top in tops} == before


def test_an_erasure_killed_anywhere_is_finished_by_the_next_run(make_site):
    site = describe_site(make_site, withdrawal_days=0.0, due_again_hours=0.0)
    made: list[str] = []

    def erase(_: int) -> None:
        left, killer.left = killer.left, -1
        made.append(scanned(site, images=1))
        copies(site, made[-1])
        killer.left = left
        site.rule("withdraw", {"experiment": made[-1], "dry_run": False})

    def go_on(_: int) -> None:
        if f"{made[-1]} is withdrawn" not in site.ask("withdraw", {"experiment": made[-1], "dry_run": False}).get(
            "error", ""
        ):
            site.rule("lifecycle")
        site.rule("lifecycle")

    with site.counted(CHANGES) as killer:
        assert interrupted_everywhere(site, killer, erase, go_on, stride=11) > 10
    site.rule("lifecycle")
    receipts = layout.receipts(site.settings)
    for one in made:
        assert site.connect().stat(f"{receipts}/{one}.json") is not None
        left = [path for path in found(site, "mrdata", one) if "/receipts/" not in path and "/outbox/" not in path]
        assert left == []
        assert [kind for kind, _ in events(site, one)] == ["erased"]


def test_a_finalization_killed_anywhere_is_finished_by_the_next_run(make_site):
    site = describe_site(make_site)
    made: list[str] = []

    def finalize(_: int) -> None:
        left, killer.left = killer.left, -1
        made.append(scanned(site, images=1))
        killer.left = left
        site.rule("experiment_finalize", {"experiment": made[-1]})

    def go_on(_: int) -> None:
        site.rule("experiment_finalize", {"experiment": made[-1]})

    with site.counted(CHANGES) as killer:
        assert interrupted_everywhere(site, killer, finalize, go_on, stride=3) > 10
    for one in made:
        avus = site.avus(f"studies/{PAIN}/experiments/{one}")
        assert avus["State"] == "finalized"
        assert "FinalizeAsked" not in avus
        changes = [
            e["details"]
            for e in site.rule("audit_history", {"experiment": one})["entries"]
            if e["act"] == "state changed"
        ]
        assert changes[-1]["manifest"] == "1"
    assert site.verify()["sound"]
