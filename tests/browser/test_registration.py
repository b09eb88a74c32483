"""Registers experiments as scientists do."""

import yaml

from policy.zone import experiment_id
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, STEWARD, T94


def fill(pages, **entries):
    given = {"pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot", **entries}
    for name, value in given.items():
        if name in ("owner", "scanner", "scan_type"):
            pages.page.select_option(f"#{name}", value)
        else:
            pages.page.fill(f"#{name}", value)


def register(pages):
    pages.page.click("main form button.primary")
    pages.page.wait_for_load_state()


def test_an_experiment_is_registered_and_its_id_shown(pages, site):
    pages.page.clock.install()
    pages.log_in(ALICE)
    pages.page.click("text=Register an experiment")
    fill(pages, url="https://wiki.example.org/1", description="0.8 mm pilot")
    pages.looked_at("register")
    register(pages)
    new = pages.page.inner_text("#the-id")
    assert experiment_id.parse(new) == new
    pages.looked_at("card")
    assert pages.page.locator(".qr-box svg path").count() > 0
    pages.stands_still()
    pages.page.click("text=Copy the ExperimentID")
    pages.shows("Copied")
    assert pages.page.evaluate("navigator.clipboard.readText()") == new
    pages.goes_on(2)
    assert pages.page.get_by_role("button", name="Copy the ExperimentID").is_visible()
    record = yaml.safe_load(pages.page.inner_text("#record"))
    assert (record["ExperimentID"], record["StudyID"], record["Pseudonym"], record["Owner"]) == (new, PAIN, "P1", ALICE)
    downloaded = pages.page.request.get(f"{pages.address}/experiments/{new}/experiment.yaml")
    assert yaml.safe_load(downloaded.text()) == record
    held = site.avus(f"studies/{PAIN}/experiments/{new}")
    assert (held["Description"], held["ExperimentURL"]) == ("0.8 mm pilot", "https://wiki.example.org/1")
    pages.page.click("text=Follow the scan")
    pages.shows(f"registered owner: {ALICE}")
    assert pages.page.locator("tr", has_text="registered owner").locator("td").nth(1).inner_text() == ALICE


def test_the_card_prints_without_the_rest(pages, site):
    new = site.register()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}/card")
    pages.page.emulate_media(media="print")
    assert pages.page.is_visible("#the-id")
    assert not pages.page.is_visible("nav")
    assert not pages.page.is_visible("text=Print for the console")
    pages.looked_at("card-print")


def test_the_pseudonym_is_checked_while_it_is_typed(pages):
    pages.log_in(ALICE)
    pages.go("/register")
    pages.page.type("#pseudonym", "P")
    pages.shows("P1, P2")
    pages.page.type("#pseudonym", "2")
    pages.shows(f"P2 is a subject of {PAIN}")
    pages.page.type("#pseudonym", "3")
    pages.shows(f"P23 is not a subject of {PAIN}")


def test_what_was_entered_survives_an_error(pages):
    pages.log_in(ALICE)
    pages.go("/register")
    fill(pages, pseudonym="P9", description="Mr. Smith, born 3.4.1980")
    register(pages)
    pages.shows("'P9' is not a subject of study")
    assert pages.page.get_attribute("#pseudonym", "aria-invalid") == "true"
    pages.looked_at("register-pseudonym")
    pages.page.fill("#pseudonym", "P1")
    register(pages)
    pages.shows("Looks like personal data (a birthday, a full date, a title with a name)")
    assert pages.page.input_value("#description") == "Mr. Smith, born 3.4.1980"
    assert pages.page.input_value("#scan_type") == "pilot"
    pages.looked_at("register-description")
    pages.page.fill("#description", "0.8 mm pilot")
    register(pages)
    assert experiment_id.parse(pages.page.inner_text("#the-id"))


def test_only_members_register_for_a_study(pages, site):
    pages.log_in(BOB)
    pages.go("/register")
    assert pages.page.locator("#study option").all_inner_texts() == ["choose…", SLEEP]
    token = pages.page.input_value("form[data-check] input[name=csrf]")
    entries = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot", "csrf": token}
    answer = pages.page.request.post(f"{pages.address}/register", form=entries)
    assert answer.status == 400
    assert "You are not a member of study" in answer.text()


def test_who_has_no_study_is_told(pages):
    pages.log_in(STEWARD)
    pages.shows("You are not a member of a study yet.")
    pages.looked_at("home-steward")


def test_another_study_brings_its_own_members(pages, site):
    site.rule("study", {"study": SLEEP, "members": [ALICE, BOB], "subjects": ["P1"]})
    try:
        pages.log_in(ALICE)
        pages.go("/register")
        pages.page.fill("#description", "kept")
        pages.page.select_option("#study", SLEEP)
        pages.page.wait_for_selector(f"#owner option[value='{BOB}']", state="attached")
        assert pages.page.input_value("#description") == "kept"
    finally:
        site.rule("study", {"study": SLEEP, "members": [BOB], "subjects": ["P1"]})
