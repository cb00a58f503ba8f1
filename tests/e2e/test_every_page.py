"""Every page in a real browser: light and dark, on a phone, a tablet and a desk.

No complaint of the browser (an error, something that the content security policy blocked, something
that is not there), nothing that is wider than the screen, and nothing that axe finds against WCAG
2.2 AA. axe takes most of the time, so it examines a page once as a whole, in light on the desk, and
once more for what colours change, in dark on the phone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Reader, Scheme
from console_pages import Address, addresses, fill
from flask import Flask
from live import Live
from playwright.sync_api import Browser

from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.audit import Actor

# A folder for pictures of every page on every width; without it two of each page are kept.
SCREENSHOTS = "VOUCHGATE_SCREENSHOTS"
WIDTHS = (360, 768, 1440)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
AT_LEAST = {(1440, "light"), (360, "dark")}
# The text of what sticks out of the window, when anything does.
STICKS_OUT = """() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  const out = (element) => element.getBoundingClientRect().right > clientWidth + 1;
  const elements = [...document.querySelectorAll("main *")].filter(out);
  return scrollWidth > clientWidth ? elements.at(-1)?.outerHTML.slice(0, 120) ?? "something" : "";
}"""
# Tests that run side by side take every so many pages each.
PARTS = 2


@pytest.fixture
def reader(app: Flask, browser: Browser) -> Iterator[Reader]:
    """Somebody before the console."""
    with Live(app) as live:
        reader = Reader(browser, f"{live.url}/console/")
        yield reader
        reader.close()


def look(reader: Reader, address: Address, tmp_path: Path) -> list[str]:
    """What is wrong with a page."""
    url = reader.console.removesuffix("/console/") + address.path
    answer = reader.context.request.get(url)
    if not answer.ok:
        return [f"status {answer.status}"]
    if not answer.headers["content-type"].startswith("text/html"):
        return []
    found = []
    reader.page.goto(url)
    for scheme in SCHEMES:
        for width in WIDTHS:
            reader.see(width, scheme)
            sticks_out = reader.page.evaluate(STICKS_OUT)
            if sticks_out:
                found.append(f"wider than {width} pixels: {sticks_out}")
            keep(reader, tmp_path, f"{address.endpoint}-{width}-{scheme}", (width, scheme))
    reader.see(1440, "light")
    found += reader.violations()
    reader.see(360, "dark")
    found += reader.violations(colours_only=True)
    found += reader.complaints
    reader.complaints.clear()
    return found


def keep(reader: Reader, tmp_path: Path, name: str, view: tuple[int, str]) -> None:
    """Take a picture."""
    folder = os.environ.get(SCREENSHOTS)
    if folder:
        reader.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    elif view in AT_LEAST:
        reader.page.screenshot(path=tmp_path / f"{name}.jpg", type="jpeg", quality=60)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_is_fit_to_be_used(
    part: int, app: Flask, services: Services, reader: Reader, tmp_path: Path
) -> None:
    """By whoever comes, with whatever they have."""
    with app.app_context():
        facts = fill(services)
        password = services.operators.create("ann", Role.OWNER, Actor("tests", "owner"))
    reader.sign_in("ann", password)
    found = {}
    for address in addresses(app, *facts)[part::PARTS]:
        wrong = look(reader, address, tmp_path)
        if wrong:
            found[address.path] = wrong
    assert found == {}
