"""What waits for a data steward's word, from the board to the answer."""

from microservices.headers.header_reader import read_header
from policy.records import review
from policy.studies import missing_pseudonyms
from policy.withdrawal import erasure
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.names import ALICE, PAIN, STEWARD, T94


def asked(site, kind: str):
    context = Context(site.connect(), site.settings, read_header)
    return [one for one in review.reviews(context, closed=True) if one.kind == kind]


def test_a_steward_lets_an_experiment_be_erased(pages, site):
    new = site.register()
    site.land(f"{T94}/dicom/{new}/1", dicom(new))
    site.sweep()
    site.rule("archive")
    site.rule("experiment_finalize", {"experiment": new})
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    (waiting,) = [one for one in asked(site, erasure.REVIEW) if one.experiment == new]
    pages.log_in(STEWARD)
    pages.go("/board")
    pages.page.get_by_role("link", name="Answer").press("Enter")
    pages.shows(f"Experiment {new} of study {PAIN} is withdrawn")
    pages.looked_at("reviews")
    box = pages.page.locator("section", has_text=new)
    box.get_by_role("link", name="Erase", exact=True).press("Enter")
    pages.shows("nobody can bring it back")
    pages.looked_at("review")
    pages.page.get_by_role("button", name="Erase", exact=True).press("Enter")
    assert pages.page.locator("#reason:invalid").count() == 1, "the browser asks for the reason"
    pages.page.fill("#reason", "consent was withdrawn,\nthe board agrees")
    pages.page.get_by_role("button", name="Erase", exact=True).press("Enter")
    pages.shows("the answer is saved")
    assert new not in pages.text()
    (judged,) = [one for one in asked(site, erasure.REVIEW) if one.experiment == new]
    assert (judged.verdict, judged.by) == ("erase: consent was withdrawn, the board agrees", STEWARD)
    assert judged.opened == waiting.opened
    pages.page.click("text=Show answered questions")
    pages.shows("erase: consent was withdrawn, the board agrees")
    pages.looked_at("reviews-answered")


def test_it_works_without_a_script(chromium, served, site):
    key = f"{PAIN}/P2 2026-03-02T10:00:00Z"
    review.open_review(
        Context(site.connect(), site.settings, read_header),
        missing_pseudonyms.KIND,
        key,
        f"Castellum does not name P2 of {PAIN}.",
    )
    from tests.browser.pages import Pages

    browser = chromium.new_context(java_script_enabled=False)
    try:
        pages = Pages(browser.new_page(), served.address, served.passwords, "")
        pages.log_in(STEWARD)
        pages.page.click("nav >> text=Reviews")
        pages.page.locator("section", has_text=key).get_by_role("link", name="Keep the subject").click()
        pages.page.fill("#reason", "a mistake of the export")
        pages.page.get_by_role("button", name="Keep the subject").click()
        pages.page.wait_for_url(f"{pages.address}/reviews")
        assert key not in pages.text()
    finally:
        browser.close()
    (judged,) = [one for one in asked(site, missing_pseudonyms.KIND) if one.key == key]
    assert judged.verdict == "keep: a mistake of the export"


def test_others_find_no_reviews(pages):
    pages.log_in(ALICE)
    assert pages.page.locator("nav >> text=Reviews").count() == 0
    assert pages.go("/reviews").status == 403
    pages.go("/board")
    assert pages.page.get_by_role("link", name="Answer").count() == 0
