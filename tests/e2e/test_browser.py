"""The console in a real browser: signing in, one's own password, a decision, signing out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import OWN_PASSWORD, Reader
from flask import Flask
from live import Live
from playwright.sync_api import Browser, expect
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.audit import Actor


@pytest.fixture
def reader(app: Flask, browser: Browser) -> Iterator[Reader]:
    """Somebody before the console."""
    with Live(app) as live:
        reader = Reader(browser, f"{live.url}/console/")
        yield reader
        reader.close()


def test_an_operator_signs_in_reads_a_decision_and_signs_out(
    affirming: None, app: Flask, services: Services, reader: Reader
) -> None:
    """The whole way, without a complaint of the browser on any page."""
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    with app.app_context():
        password = services.operators.create("ann", Role.OWNER, Actor("tests", "owner"))

    reader.open()
    reader.is_at("Sign in")
    reader.fill_in(name="ann", password="wrong")
    expect(reader.page.get_by_role("alert")).to_contain_text("wrong")
    (refused,) = reader.complaints
    assert "401" in refused
    reader.complaints.clear()
    reader.fill_in(name="ann", password=password)
    reader.is_at("Choose your password")
    reader.fill_in(password=OWN_PASSWORD, repeated=OWN_PASSWORD)
    reader.is_at("Overview")
    expect(reader.page.locator("body")).to_contain_text("attestation.insecure_allow_sample")

    reader.press(decision_id[:12])
    reader.page.wait_for_url(f"**/{decision_id}")
    expect(reader.page.locator("main")).to_contain_text("policy-allowed")
    reader.sign_out()
    reader.open()
    reader.is_at("Sign in")
    assert reader.complaints == []
