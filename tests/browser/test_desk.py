"""The quarantine desk: what is there and why; re-filing with a dry run, and back."""

from tests.files import dicom
from tests.zone.names import ALICE, STEWARD, T94


def mistyped(right: str) -> str:
    return ("2" if right[0] != "2" else "3") + right[1:]


def quarantined(site, *contents: bytes) -> str:
    """The session in which they are then: its scanner and name."""
    site.sweep()
    before = {s["path"] for s in site.quarantine_sessions()}
    for number, content in enumerate(contents):
        site.land(f"{T94}/dicom/Jane_Doe_{len(before)}/{number}", content)
    site.sweep()
    (path,) = {s["path"] for s in site.quarantine_sessions()} - before
    return "/".join(path.split("/")[-2:])


def test_a_session_is_refiled_after_a_dry_run_and_taken_back(pages, site):
    new = site.register()
    session = quarantined(site, *(dicom(mistyped(new), instance=n) for n in (1, 2, 3)))
    pages.log_in(STEWARD)
    pages.page.click("nav >> text=Quarantine")
    row = pages.page.locator("tr", has_text=session.split("/")[1])
    assert mistyped(new) in row.inner_text()
    assert "mistyped" in row.inner_text()
    assert f"{new} 1 wrong" in row.inner_text()
    pages.looked_at("desk")
    row.locator("a").click()
    pages.shows("1 wrong character")
    assert "Jane" not in pages.page.content()
    pages.looked_at("session")
    before = site.paths()
    pages.page.click("button.primary")
    pages.shows("3 files would be re-filed")
    assert site.paths() == before
    pages.looked_at("refile")
    pages.page.click("text=Re-file 3 files")
    pages.shows(f"3 of 3 files re-filed under {new}.")
    archived = [path for path in site.paths() if new in path and path.endswith(".dcm")]
    assert len(archived) == 3
    assert pages.page.locator("tr", has_text="re-filed").locator("td").nth(1).inner_text() == STEWARD
    pages.looked_at("refiled")
    pages.page.click("text=Undo")
    pages.shows("3 files are in quarantine again.")
    assert site.paths() == before
    pages.log_out()
    pages.log_in(ALICE)
    pages.go(f"/experiments/{new}")
    for act in ("re-filed", "taken back"):
        assert pages.page.locator("tr", has_text=act).locator("td").nth(1).inner_text() == STEWARD
    pages.shows("3 files in quarantine may belong here")


def test_one_file_is_refiled_alone(pages, site):
    new = site.register()
    session = quarantined(site, *(dicom(mistyped(new), instance=n) for n in (1, 2)))
    pages.log_in(STEWARD)
    pages.go(f"/quarantine/{session}")
    pages.page.click("table a >> nth=0")
    pages.shows("without personal data")
    assert pages.page.inner_text("dt:has-text('EchoTime') + dd") == "0.0041 s"
    assert mistyped(new) not in pages.text()
    pages.page.wait_for_function("() => document.querySelector('.large-thumbnail')?.naturalWidth > 0")
    pages.looked_at("file")
    pages.page.fill("#to", new.lower())
    pages.page.click("main button.primary")
    pages.shows("1 file would be re-filed")
    pages.page.click("text=Re-file 1 file")
    pages.shows("1 of 1 file re-filed")
    pages.go(f"/quarantine/{session}")
    assert pages.page.locator("tbody tr").count() == 1


def test_what_tells_who_the_person_is_needs_a_word(pages, site):
    new = site.register()
    session = quarantined(site, dicom(new, PatientBirthDate="19700101", PatientAddress="Secret Street 1"))
    pages.log_in(STEWARD)
    pages.go(f"/quarantine/{session}")
    pages.shows("tells who the person is: PatientAddress, PatientBirthDate")
    pages.page.click("table a >> nth=0")
    for secret in ("19700101", "Secret"):
        assert secret not in pages.page.content()
    pages.go(f"/quarantine/{session}")
    pages.page.click("button.primary")
    pages.shows("No file would be re-filed")
    pages.looked_at("refile-personal")
    pages.page.check("[name=accept]")
    pages.page.click("text=Show what would happen then")
    pages.shows("because you accepted it")
    pages.page.click("text=Re-file 1 file")
    pages.shows("personal data: accepted")


def test_a_name_that_was_typed_is_not_shown(pages, site):
    session = quarantined(site, dicom("Doe^Jane"))
    pages.log_in(STEWARD)
    for path in ("/quarantine", f"/quarantine/{session}"):
        pages.go(path)
        assert "Jane" not in pages.page.content()
    pages.shows("not an ID; not shown because it may be a name")


def test_a_wrong_target_is_said(pages, site):
    new = site.register()
    session = quarantined(site, dicom(mistyped(new)))
    pages.log_in(STEWARD)
    for target, answer in (
        ("ZZZZ-ZZZZ", "its check character does not fit"),
        ("Z4KQ-STAS", "Z4KQ-STAS was never registered"),
    ):
        pages.go(f"/quarantine/{session}")
        pages.page.fill("#to", target)
        pages.page.click(".other button")
        pages.shows(answer)
    pages.looked_at("refile-wrong")


def test_nothing_there(pages, site):
    pages.log_in(STEWARD)
    assert pages.go("/quarantine/94T/20260101_00000000").status == 404
    assert pages.go("/quarantine/../studies").status == 404


def test_others_may_not(pages, site):
    new = site.register()
    session = quarantined(site, dicom(mistyped(new)))
    pages.log_in(ALICE)
    assert pages.page.locator("nav >> text=Quarantine").count() == 0
    for path in (
        "/quarantine",
        f"/quarantine/{session}",
        f"/quarantine/{session}/10000",
        "/quarantine/done?to=Z4KQ-STAS",
    ):
        assert pages.go(path).status == 403, path
    token = pages.page.input_value("input[name=csrf]")
    for act in ("refile", "undo"):
        asked = {"csrf": token, "to": new, "confirmed": "yes"}
        assert pages.page.request.post(f"{pages.address}/quarantine/{session}/{act}", form=asked).status == 403
    assert session.split("/")[1] in str(site.paths("quarantine"))


def test_a_session_is_discarded_and_kept_after_all(pages, site):
    session = quarantined(site, dicom("PHANTOM", instance=1), dicom("PHANTOM", instance=2))
    pages.log_in(STEWARD)
    pages.go(f"/quarantine/{session}")
    pages.page.click("summary >> text=Discard the session")
    pages.page.select_option("#reason", "a phantom or a test")
    pages.looked_at("discard")
    pages.page.click("text=Discard 2 files")
    pages.shows("2 files are discarded. They are erased in 30 days, unless somebody keeps them.")
    pages.shows("a phantom or a test")
    pages.page.click("text=Keep the session")
    pages.shows("The session is kept.")
