"""Lists and search: each user sees what iRODS lets them see."""

import pytest

from policy.zone import AVU
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T94


@pytest.fixture(scope="module")
def experiments(site):
    """Three of the study PAIN with other protocols and subjects, one of SLEEP."""
    made = {
        "gre": site.register(),
        "epi": site.register(pseudonym="P2"),
        "empty": site.register(),
        "other": site.register(study=SLEEP, owner=BOB),
    }
    site.land(
        f"{T94}/dicom/l/1",
        dicom(made["gre"], ProtocolName="t2star_gre", RepetitionTime=300, EchoTime=4.1, FlipAngle=25),
    )
    site.land(
        f"{T94}/dicom/l/2", dicom(made["epi"], ProtocolName="bold_epi", RepetitionTime=2000, EchoTime=22, FlipAngle=70)
    )
    site.land(
        f"{T94}/dicom/l/3",
        dicom(made["other"], ProtocolName="t2star_gre", RepetitionTime=300, EchoTime=4.1, FlipAngle=25),
    )
    path = f"{site.settings.home}/studies/{PAIN}/experiments/{made['epi']}"
    site.connect().annotate(path, add=[AVU("AtScan.Handedness", "left", "mixed-use")])
    return made


def found(pages, experiments) -> set[str]:
    text = pages.text()
    return {name for name, new in experiments.items() if new in text}


def test_studies_and_experiments(pages, experiments):
    pages.log_in(ALICE)
    assert found(pages, experiments) == {"gre", "epi", "empty"}
    assert SLEEP not in pages.text()
    pages.looked_at("home")
    pages.page.click(f"th a:text-is('{PAIN}')")
    pages.page.wait_for_url("**/studies/**")
    assert found(pages, experiments) == {"gre", "epi", "empty"}
    pages.looked_at("study")
    pages.page.click("li a:text-is('P2')")
    pages.page.wait_for_url("**/subjects/P2")
    assert found(pages, experiments) == {"epi"}
    pages.looked_at("subject")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (f"study={PAIN}", {"gre", "epi", "empty"}),
        ("pseudonym=P2", {"epi"}),
        ("protocol=gre", {"gre"}),
        ("protocol=t2%25gre", {"gre"}),
        ("protocol=o'y", set()),
        ("tr_min=1000", {"epi"}),
        ("tr_min=299.9&tr_max=300", {"gre"}),
        ("te_max=10&fa_min=20&fa_max=30", {"gre"}),
        ("te_max=10&fa_min=60", set()),
        ("tr_min=1&protocol=bold", {"epi"}),
        ("since=2020-01-01", {"gre", "epi", "empty"}),
        ("until=2020-01-01", set()),
        (f"study={SLEEP}", set()),
        ("pseudonym='", set()),
        ("attribute=Handedness&value=left", {"epi"}),
        ("attribute=Handedness&value=left&protocol=gre", set()),
    ],
)
def test_search(pages, experiments, query, names):
    pages.log_in(ALICE)
    assert pages.go(f"/search?{query}").status == 200
    assert found(pages, experiments) == names


def test_search_with_the_form(pages, experiments):
    pages.log_in(BOB)
    pages.page.click("nav >> text=Search")
    pages.looked_at("search")
    pages.page.fill("#protocol", "gre")
    pages.page.fill("[name=tr_max]", "500")
    pages.page.click("main button.primary")
    pages.page.wait_for_url("**/search?**")
    assert found(pages, experiments) == {"other"}
    assert pages.page.input_value("#protocol") == "gre"
    pages.page.click("summary")
    assert f"iget -rK -N 0 /{'/'.join(pages.page.inner_text('#iget1').split('/')[1:])}" == pages.page.inner_text(
        "#iget1"
    )
    assert experiments["other"] in pages.page.inner_text("#rclone1")
    pages.looked_at("search-found")


def test_a_wrong_number_and_a_wrong_day_are_said(pages):
    pages.log_in(ALICE)
    assert pages.go("/search?tr_min=fast").status == 400
    pages.shows("TR: 'fast' is not a number.")
    assert pages.go("/search?since=yesterday").status == 400
    pages.shows("write a day as 2026-01-31")
    assert pages.go("/search?attribute=Shoe&value=43").status == 400
    pages.shows("Choose the attribute")
    pages.looked_at("search-wrong")


def test_long_lists_have_pages(pages, site):
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2", "P3"]})
    for _ in range(51):
        site.register(pseudonym="P3")
    pages.log_in(ALICE)
    pages.go(f"/studies/{PAIN}/subjects/P3")
    assert pages.page.locator("tbody tr").count() == 50
    pages.page.click("a[rel=next]")
    pages.page.wait_for_url("**page=2")
    assert pages.page.locator("tbody tr").count() == 1
    pages.page.click("a[rel=prev]")
    pages.page.wait_for_url("**page=1")
    pages.looked_at("list-pages")
