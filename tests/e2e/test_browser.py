"""The console in a real browser: signing in, one's own password, a decision, signing out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from live import Live
from raw_guest import RawGuest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.audit import Actor

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1200,900",
)
OWN_PASSWORD = "a passphrase of one's own"
WAITING_SECONDS = 20


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Chromium with a profile of its own, and its console written down."""
    for program in (CHROMIUM, DRIVER):
        if not program.exists():
            pytest.fail(f"{program} is missing: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(str(DRIVER), log_output=str(tmp_path / "driver.log"))
    with Chrome(options, service) as started:
        yield started


@pytest.fixture
def console(app: Flask) -> Iterator[str]:
    """The address of the console."""
    with Live(app) as live:
        yield f"{live.url}/console/"


def fill_in(browser: Chrome, **fields: str) -> None:
    """Type into a form's fields and send it."""
    for name, text in fields.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)
    form = field.find_element(By.XPATH, "ancestor::form")
    press(browser, form.find_element(By.CSS_SELECTOR, "button[type=submit]").text)


def press(browser: Chrome, text: str) -> None:
    """Press the button, or follow the link, that says this, and wait for the next page."""
    before = browser.find_element(By.TAG_NAME, "html")
    xpath = f"//*[self::a or self::button][contains(normalize-space(), '{text}')]"
    browser.find_element(By.XPATH, xpath).click()
    WebDriverWait(browser, WAITING_SECONDS).until(staleness_of(before))


def title(browser: Chrome) -> str:
    """The heading of the page."""
    return str(browser.find_element(By.TAG_NAME, "h1").text)


def complaints(browser: Chrome) -> list[str]:
    """What the browser's console says: blocked by policy, not found, broken."""
    entries = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's
    return [entry["message"] for entry in entries]


def test_an_operator_signs_in_reads_a_decision_and_signs_out(
    affirming: None, app: Flask, services: Services, console: str, browser: Chrome
) -> None:
    """The whole way, without a complaint of the browser on any page."""
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    with app.app_context():
        password = services.operators.create("ann", Role.OWNER, Actor("tests", "owner"))

    browser.get(console)
    assert title(browser) == "Sign in"
    fill_in(browser, name="ann", password="wrong")
    assert "wrong" in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
    refused = complaints(browser)
    assert len(refused) == 1, refused
    assert "401" in refused[0]
    fill_in(browser, name="ann", password=password)
    assert title(browser) == "Choose your password"
    fill_in(browser, password=OWN_PASSWORD, repeated=OWN_PASSWORD)
    assert title(browser) == "Overview"
    assert "attestation.insecure_allow_sample" in browser.find_element(By.TAG_NAME, "body").text

    press(browser, decision_id[:12])
    assert decision_id in browser.current_url
    assert "policy-allowed" in browser.find_element(By.TAG_NAME, "main").text
    press(browser, "Sign out")
    assert title(browser) == "Sign in"
    browser.get(console)
    assert title(browser) == "Sign in"
    assert complaints(browser) == []


def test_every_page_of_the_console_loads_what_it_asks_for(
    affirming: None, app: Flask, services: Services, console: str, browser: Chrome
) -> None:
    """Styles and pictures are allowed by the policy that the pages carry, and are there."""
    RawGuest(app.test_client()).attest()
    with app.app_context():
        password = services.operators.create("ann", Role.OWNER, Actor("tests", "owner"))
    browser.get(console)
    fill_in(browser, name="ann", password=password)
    fill_in(browser, password=OWN_PASSWORD, repeated=OWN_PASSWORD)
    links = browser.find_elements(By.CSS_SELECTOR, "nav[aria-label=Main] a")
    pages = [str(link.get_attribute("href")) for link in links]
    assert len(pages) > 3
    for page in pages:
        browser.get(page)
        assert title(browser)
        assert browser.execute_script("return document.styleSheets.length") >= 3
        assert complaints(browser) == [], page
