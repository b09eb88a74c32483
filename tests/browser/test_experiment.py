"""The page of an experiment, while the pretend scanner runs, and what those see who may not."""

import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mrdata.demonstration.console import Console, Delivery, Fate
from mrdata.demonstration.plan import images
from mrdata.phantom import phantom_twix
from mrdata.phantom.water_phantom import Session
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, STEWARD, T94


@contextmanager
def scanner(site):
    """`mrdata scan`, as on the landing host."""
    running = subprocess.Popen(
        [sys.executable, "-m", "mrdata.cli", "scan"], env=site.environment(), stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        running.terminate()
        running.wait(timeout=20)


def images_shown(pages) -> int:
    return int(pages.page.inner_text(".summary strong >> nth=0"))


def test_it_fills_while_the_scan_runs(pages, site):
    new = site.register()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    pages.shows("Nothing has arrived yet.")
    session = Session(new, datetime(2026, 3, 12, 9, 0, 0, 123_000))
    files = [Delivery(f"dicom/live/{name}", content, Fate.ARCHIVED, "live") for name, content in images(session)]
    raw = phantom_twix.gradient_echo(session, 42)
    night = Delivery(f"twix/{raw.file_name}", phantom_twix.vb(session, raw), Fate.ARCHIVED, "live", at_night=True)
    tree = Delivery(f"expdata/{new}/stimuli/order.txt", b"A B B A", Fate.ARCHIVED, "live", at_night=True)
    seen = []
    with scanner(site):
        for step in Console(
            Path(site.settings.landing.folder), T94, bytes_per_second=1_000_000, piece=16 * 1024
        ).deliver(files):
            if step.complete and len(seen) < 5:
                seen.append(images_shown(pages))
        pages.shows(f"{len(files)} images", within=60)
        for _ in Console(Path(site.settings.landing.folder), T94).deliver([night, tree]):
            pass
        pages.shows("1 raw data file ·", within=60)
        pages.shows("1 file of Expanded Data", within=60)
    assert images_shown(pages) == len(files) > max(seen)
    row = pages.page.locator("table.series tr", has_text="gre_2echo_axial")
    assert "300" in row.inner_text()
    assert "4.1" in row.inner_text()
    assert "✓ 1" in row.inner_text()
    assert "none" in pages.page.locator("table.series tr", has_text="localizer").inner_text()
    assert "✓ series 2" in pages.page.locator("tr", has_text=raw.file_name).inner_text()
    assert pages.page.locator("li", has_text="stimuli").count() == 1
    pages.page.wait_for_function(
        "() => [...document.querySelectorAll('.thumbnail')].every(i => i.complete && i.naturalWidth > 0)"
    )
    assert pages.page.locator(".thumbnail").count() == 4
    pages.shows("state changed after: acquiring")
    pages.looked_at("experiment")


def test_a_new_image_is_shown_within_two_seconds(pages, site):
    new = site.register()
    pages.page.clock.install()
    pages.log_in(ALICE)
    pages.stands_still()
    pages.go(f"/experiments/{new}")
    for number in (1, 2, 3):
        site.land(f"{T94}/dicom/{new}/{number}", dicom(new, instance=number))
        pages.goes_on(2)
        pages.shows(f"{number} image{'' if number == 1 else 's'} in 1 series")


def test_a_still_page_asks_for_little(pages, site):
    """Where nothing changed, the answer is empty, and the session does not live on by it."""
    new = site.register()
    pages.log_in(ALICE)
    answers = []
    pages.page.on("response", lambda answer: answers.append(answer.status) if answer.url.endswith("/live") else None)
    pages.go(f"/experiments/{new}")
    for _ in range(100):
        pages.page.wait_for_timeout(200)
        if answers.count(304) >= 2:
            break
    assert answers.count(304) >= 2
    assert set(answers) <= {200, 304}


def test_pictures_and_pages_are_for_members_alone(pages, site):
    new = site.register()
    site.land(f"{T94}/dicom/{new}/1", dicom(new))
    pages.log_in(ALICE)
    picture = f"/experiments/{new}/series/1_gre/thumbnail.png"
    shown = pages.page.request.get(pages.address + picture)
    assert (shown.status, shown.headers["content-type"]) == (200, "image/png")
    pages.page.context.clear_cookies()
    pages.log_in(BOB)
    for path in (
        picture,
        f"/experiments/{new}",
        f"/experiments/{new}/live",
        f"/experiments/{new}/card",
        f"/studies/{PAIN}",
    ):
        assert pages.go(path).status == 404, path
    assert new not in pages.text()
    pages.go("/")
    assert new not in pages.text()
    assert pages.go("/quarantine").status == 403
    pages.looked_at("not-permitted")


def test_what_may_belong_here_is_told(pages, site):
    new = site.register()
    wrong = ("2" if new[0] != "2" else "3") + new[1:]
    site.land(f"{T94}/dicom/{new}/1", dicom(wrong))
    site.sweep()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    pages.shows("1 file in quarantine may belong here")
    pages.shows("mistyped; 1 wrong character in the typed ID")
    assert pages.page.locator("text=Look at").count() == 0
    pages.looked_at("experiment-suspect")


def test_the_ways_to_the_data_are_quoted(pages, site):
    new = site.register()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    path = f"{site.settings.home}/studies/{PAIN}/experiments/{new}"
    assert pages.page.inner_text("#way-iget") == f"iget -rK -N 0 {path}"
    assert pages.page.inner_text("#way-rclone") == f"rclone copy --progress mrdata:{PAIN}/experiments/{new} ./{new}"
    assert (
        pages.page.get_attribute("section a.dav, section p.path a", "href")
        == f"https://mri.example.org/dav/{PAIN}/experiments/{new}/"
    )


def test_a_logged_out_page_goes_to_the_log_in_page(pages, site):
    new = site.register()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    pages.page.context.clear_cookies()
    pages.page.wait_for_url("**/login?next=**")


def test_stewards_see_a_link_into_the_quarantine_if_they_are_members(pages, site):
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE, STEWARD], "subjects": ["P1", "P2"]})
    try:
        new = site.register()
        wrong = ("2" if new[0] != "2" else "3") + new[1:]
        site.land(f"{T94}/dicom/{new}/1", dicom(wrong))
        site.sweep()
        pages.log_in(STEWARD)
        pages.go(f"/experiments/{new}")
        pages.page.click("text=Look at it")
        pages.shows(new)
    finally:
        site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
