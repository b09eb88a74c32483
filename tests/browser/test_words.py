"""What its owner and data stewards decide about an experiment: complete, opened again, withdrawn, restored."""

import pytest

from policy.withdrawal.withdrawal import Reason
from tests.files import dicom
from tests.zone.names import ALICE, PAIN, STEWARD, T94


@pytest.fixture
def scanned(site) -> str:
    new = site.register()
    site.upload(f"{T94}/dicom/{new}/1", dicom(new))
    site.sweep()
    return new


def press(pages, text: str) -> None:
    """A button of the experiment's page, and the one that confirms; by keyboard."""
    pages.page.get_by_role("link", name=text, exact=True).press("Enter")
    pages.shows(f"{text}: ")
    pages.page.get_by_role("button", name=text, exact=True).press("Enter")


def state(site, experiment: str) -> str:
    return site.avus(f"{site.settings.home}/studies/{PAIN}/experiments/{experiment}")["State"]


def buttons(pages) -> list[str]:
    return pages.page.locator("main .actions a").all_inner_texts()


def test_the_owner_says_that_it_is_complete_and_a_steward_opens_it(pages, site, scanned):
    pages.log_in(ALICE)
    pages.go(f"/experiments/{scanned}")
    assert buttons(pages) == ["Mark as finished", "Finalize"]
    pages.looked_at("experiment-owner")
    pages.go(f"/experiments/{scanned}/words/finish")
    pages.looked_at("word-finish")
    pages.go(f"/experiments/{scanned}")
    press(pages, "Mark as finished")
    pages.shows(f"{scanned} is finished.")
    assert buttons(pages) == ["Finalize"]
    pages.go(f"/experiments/{scanned}/words/finalize")
    pages.looked_at("word-finalize")
    pages.go(f"/experiments/{scanned}")
    press(pages, "Finalize")
    pages.shows(f"{scanned} is finished; finalization is asked for.")
    asked = pages.page.inner_text("#finalization")
    assert asked.startswith(f"Finalization asked for by {ALICE}, 20")
    assert asked.endswith("; waits for 1 object that is not on the archive resource yet.")
    pages.looked_at("experiment-finalization")
    site.rule("archive")
    pages.shows("waits for its turn: experiments are finalized every 5 minutes.")  # the page goes on looking
    site.rule("lifecycle")
    pages.page.wait_for_selector("#finalization", state="detached")
    assert pages.page.inner_text(".summary .tag") == "finalized"
    pages.go(f"/experiments/{scanned}")
    assert buttons(pages) == []
    pages.log_out()
    pages.log_in(STEWARD)
    pages.go(f"/experiments/{scanned}")
    assert buttons(pages) == ["Reopen", "Withdraw"]
    pages.go(f"/experiments/{scanned}/words/reopen")
    pages.looked_at("word-reopen")
    pages.go(f"/experiments/{scanned}")
    press(pages, "Reopen")
    pages.shows(f"{scanned} is finished.")
    pages.log_out()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{scanned}")
    told = pages.page.locator("tr", has_text="state changed").all_inner_texts()
    assert [line.split("\t")[1] for line in told[:3]] == [STEWARD, ALICE, ALICE]


def test_a_steward_who_is_no_member_sees_what_finalization_waits_for(pages, site, scanned):
    pages.log_in(STEWARD)
    pages.go(f"/experiments/{scanned}/words")
    press(pages, "Finalize")
    pages.shows(f"Finalization asked for by {STEWARD}, 20")
    pages.shows("waits for 1 object that is not on the archive resource yet.")
    pages.looked_at("words-finalization")
    site.rule("archive")
    site.rule("lifecycle")
    pages.go(f"/experiments/{scanned}/words")
    assert buttons(pages) == ["Reopen", "Withdraw"]
    assert "asked for" not in pages.text()


def test_a_steward_withdraws_after_a_dry_run_and_restores(pages, site, scanned):
    before = site.paths("studies")
    pages.log_in(STEWARD)
    pages.page.click("nav >> text=Withdrawn")
    pages.page.fill("#experiment", "ZZZZ-ZZZZ")
    pages.page.click("main button")
    pages.shows("its check character does not fit")
    pages.page.fill("#experiment", scanned.lower())
    pages.page.press("#experiment", "Enter")
    pages.page.get_by_role("link", name="Withdraw", exact=True).press("Enter")
    pages.shows("nothing has been changed yet")
    assert "2 files," in pages.text()  # with experiment.yaml
    assert state(site, scanned) == "acquiring"
    pages.looked_at("word-withdraw")
    pages.page.check(f"input[value='{Reason.MISTAKE}']")
    pages.page.get_by_role("button", name="Withdraw", exact=True).press("Enter")
    pages.shows(f"{scanned} is withdrawn; it can be restored for 30 days.")
    pages.looked_at("words-withdrawn")
    pages.go(f"/experiments/{scanned}/words/finalize")
    pages.page.click("main button")
    pages.shows(f"{scanned} is withdrawn; a data steward may be able to restore it.")
    pages.go("/withdrawn")
    pages.looked_at("withdrawn")
    pages.page.click(f"table >> text={scanned}")
    pages.page.get_by_role("link", name="Restore", exact=True).press("Enter")
    pages.shows("Everything goes back")
    pages.looked_at("word-restore")
    pages.page.get_by_role("button", name="Restore", exact=True).press("Enter")
    pages.shows(f"{scanned} is restored.")
    assert site.paths("studies") == before
    pages.log_out()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{scanned}")
    pages.shows(Reason.MISTAKE)


def test_others_may_not(pages, site):
    new = site.register(owner=ALICE)
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    token = pages.page.input_value("input[name=csrf] >> nth=0")
    assert pages.go("/withdrawn").status == 403
    assert pages.go(f"/experiments/{new}/words").status == 403
    for name in ("reopen", "withdraw", "restore"):
        address = f"{pages.address}/experiments/{new}/words/{name}"
        assert pages.page.request.get(address).status == 403
        answer = pages.page.request.post(address, form={"csrf": token, "reason": Reason.OTHER})
        assert answer.status == 403
        assert f"{ALICE} is not a data steward".lower() in answer.text().lower()
    assert pages.page.request.post(f"{pages.address}/experiments/{new}/words/finish", form={"csrf": "x"}).status == 400
    assert state(site, new) == "registered"
