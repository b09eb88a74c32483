"""Log-in and log-out, and what is refused."""

import pytest

from tests.zone.names import ALICE, PAIN


def test_who_is_not_logged_in_is_sent_to_the_log_in_page_and_back(pages):
    pages.go(f"/studies/{PAIN}")
    assert "/login" in pages.page.url
    pages.looked_at("login")
    pages.enter(ALICE, pages.passwords.get(ALICE, ""))
    pages.page.wait_for_url(f"**/studies/{PAIN}")
    assert ALICE in pages.text()


def test_after_log_out_nothing_is_shown(pages):
    pages.log_in(ALICE)
    pages.log_out()
    pages.page.go_back()
    pages.go("/")
    assert pages.page.url.startswith(f"{pages.address}/login")


def test_a_wrong_password_is_refused_and_the_name_kept(pages):
    if not pages.passwords:
        pytest.skip("an embedded zone knows no passwords")
    pages.go("/login")
    pages.enter(ALICE, "wrong")
    pages.shows("iRODS does not know this name with this password.")
    assert pages.page.input_value("#name") == ALICE
    pages.looked_at("login-refused")


def test_the_cookie_is_kept_from_scripts_and_other_sites(pages):
    pages.log_in(ALICE)
    (cookie,) = pages.page.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert pages.page.evaluate("document.cookie") == ""


def test_a_form_of_another_site_is_refused(pages):
    pages.log_in(ALICE)
    answer = pages.page.request.post(pages.address + "/logout", form={"csrf": "guessed"})
    assert answer.status == 400
    assert "out of date" in answer.text()
    assert pages.go("/").status == 200


def test_an_address_of_another_site_is_not_gone_to(pages):
    for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
        pages.page.context.clear_cookies()
        pages.go(f"/login?next={target}")
        pages.enter(ALICE, pages.passwords.get(ALICE, ""))
        pages.page.wait_for_url(f"{pages.address}/")


def test_what_is_not_there_is_said_so(pages):
    pages.log_in(ALICE)
    assert pages.go("/nowhere").status == 404
    pages.looked_at("not-found")


@pytest.mark.parametrize("path", ["/", "/login", "/static/mrdata.js", "/nowhere"])
def test_every_answer_has_the_headers(pages, path):
    headers = pages.page.request.get(pages.address + path).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


def test_the_first_page_is_small(pages):
    answers = []
    pages.page.on("response", lambda answer: answers.append(answer))
    pages.go("/login")
    pages.page.wait_for_load_state("networkidle")
    sizes = {answer.url: len(answer.body()) for answer in answers}
    for part in ("/login", "mrdata.css", "mrdata.js"):
        assert any(part in url for url in sizes), sizes
    assert sum(sizes.values()) < 100_000, sizes
