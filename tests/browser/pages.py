"""What tests do with a browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

SERIOUS = ("serious", "critical")


class Pages:
    """One browser window on the pages at `address`."""

    def __init__(self, page: Any, address: str, passwords: dict[str, str], shots: str) -> None:
        self.page, self.address, self.passwords, self._shots = page, address, passwords, shots
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("console", lambda message: self._console(message.text))

    def _console(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.faults.append(text)

    def go(self, path: str) -> Any:
        """Opens a page; the answer."""
        return self.page.goto(self.address + path)

    def log_in(self, name: str) -> None:
        """As this user."""
        self.go("/login")
        self.enter(name, self.passwords.get(name, ""))
        self.page.wait_for_url(self.address + "/")

    def log_out(self) -> None:
        """Whoever is logged in."""
        self.page.click("text=Log out")
        self.shows("You are logged out.")

    def enter(self, name: str, password: str) -> None:
        """Fills the log-in form in and sends it."""
        if self.passwords:
            self.page.fill("#name", name)
            self.page.fill("#password", password)
        else:
            self.page.check(f"input[name=name][value='{name}']")
        self.page.click("main button")

    def text(self) -> str:
        """What one reads."""
        return str(self.page.inner_text("main"))

    def shows(self, text: str, within: float = 30.0) -> None:
        """Waits until a whole page shows a text."""
        shown = "text => document.readyState === 'complete' && document.body.innerText.includes(text)"
        self.page.wait_for_function(shown, arg=text, timeout=within * 1000, polling=50)

    def goes_on(self, seconds: float) -> None:
        """Lets the page's own clock run so far, at once; `page.clock.install()` comes before."""
        self.page.clock.run_for(seconds * 1000)

    def stands_still(self) -> None:
        """From now on the page's own clock, and that of pages to come, goes on by `goes_on` alone;

        `page.clock.install()` comes before.
        """
        self.page.clock.pause_at(time.time() + 60)

    def looked_at(self, name: str) -> None:
        """Takes a screenshot if wanted, and asserts that axe-core has nothing serious to say."""
        from axe_playwright_python.sync_playwright import Axe

        if self._shots:
            Path(self._shots).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{self._shots}/{name}.png", full_page=True)
        found = Axe().run(self.page).response["violations"]
        serious = [(v["id"], v["help"], [n["html"] for n in v["nodes"]][:3]) for v in found if v["impact"] in SERIOUS]
        assert not serious, f"{name}: {serious}"
