"""A real browser for tests: Debian's Chromium, driven by Playwright, one process for a worker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)
WAITING_MS = 20_000
_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_OPTIONS = {"preload": False, "resultTypes": ["violations"]}
_WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
Scheme = Literal["light", "dark"]
OWN_PASSWORD = "a passphrase of one's own"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Reader:
    """Somebody with a browser of their own: a profile, one page, and what the browser says."""

    def __init__(self, browser: Browser, console: str) -> None:
        """Open an empty page.

        Args:
            browser: the process that shows it.
            console: address of the console, ending in ``/console/``.
        """
        self.console = console
        self.complaints: list[str] = []
        self.context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            locale="en-GB",
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(WAITING_MS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def open(self, path: str = "") -> None:
        """Go to a page below ``/console/``."""
        self.page.goto(self.console + path)

    def fill_in(self, **fields: str) -> None:
        """Type into fields of the page by their names, and send their form by its first button."""
        for name, text in fields.items():
            field = self.page.locator(f"main [name='{name}']")
            field.fill(text)
        field.locator("xpath=ancestor::form").locator("button[type=submit]").first.click()

    def press(self, text: str) -> None:
        """Press the button of the page, or follow its link, that says this."""
        pattern = re.compile(re.escape(text))
        main = self.page.locator("main")
        main.get_by_role("button", name=pattern).or_(main.get_by_role("link", name=pattern)).click()

    def is_at(self, title: str) -> None:
        """Wait until the page has this heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title, timeout=WAITING_MS)

    def sign_in(self, name: str, password: str, own: str = OWN_PASSWORD) -> None:
        """Sign in with a one-time password and choose one's own."""
        self.open()
        self.fill_in(name=name, password=password)
        self.is_at("Choose your password")
        self.fill_in(password=own, repeated=own)
        self.is_at("Overview")

    def sign_out(self) -> None:
        """By the menu behind one's own name."""
        self.page.locator("[popovertarget=account]").click()
        self.page.get_by_role("button", name="Sign out").click()
        self.is_at("Sign in")

    def see(self, width: int, scheme: Scheme) -> None:
        """Have a window of this width, in pixels, and prefer this scheme of colours."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)

    def violations(self, *, colours_only: bool = False) -> list[str]:
        """What axe finds on the page against WCAG 2.2, A and AA: the rule, and where it is broken.

        The driver evaluates it, and not the page, whose policy allows no script from elsewhere.
        """
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE)
        rules = _COLOURS if colours_only else _WCAG
        results = self.page.evaluate(f"axe.run(document, {json.dumps(_OPTIONS | rules)})")
        return [
            f"{violation['id']}: {node['html'][:160]}"
            for violation in results["violations"]
            for node in violation["nodes"]
        ]

    def close(self) -> None:
        """Forget the profile."""
        self.context.close()
