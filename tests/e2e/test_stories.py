"""What people do with the console, from end to end: each in a browser, with a real guest."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import urllib3
from browsing import OWN_PASSWORD, Reader
from flask import Flask
from live import Live
from playwright.sync_api import Browser, expect
from processes import vouchgate_guest
from raw_guest import HTTPGuest
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role
from app.factory import build
from app.trust.audit import Actor

PATH = "payments/database/password"
TESTS = Actor("tests", Role.OWNER)
Arrival = Callable[[str, Role], Reader]


@pytest.fixture
def server(app: Flask) -> Iterator[Live]:
    """The server that everybody uses."""
    with Live(app) as live:
        yield live


@pytest.fixture
def arrive(app: Flask, services: Services, server: Live, browser: Browser) -> Iterator[Arrival]:
    """Lets an operator of a role sign in for the first time."""
    with ExitStack() as leaving:

        def arrive(name: str, role: Role) -> Reader:
            with app.app_context():
                password = services.operators.create(name, role, TESTS)
            reader = Reader(browser, f"{server.url}/console/")
            leaving.callback(reader.close)
            reader.sign_in(name, password)
            return reader

        yield arrive


def fetch(server: Live, path: str = PATH) -> tuple[str, str]:
    """What the guest's command gets, and what it says besides."""
    command = vouchgate_guest("get-resource", "--insecure-sample", "--kbs-url", server.url)
    done = subprocess.run(
        [*command, f"kbs:///{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout, done.stderr


def approve(app: Flask, owner: dict[str, str]) -> None:
    """Carry out the one proposal that is open, as somebody who did not make it."""
    client = app.test_client()
    (proposal,) = client.get("/api/v1/proposals?state=open", headers=owner).json
    answer = client.post(
        f"/api/v1/proposals/{proposal['proposal_id']}/approve",
        json={"revision": proposal["revision"]},
        headers=owner,
    )
    assert answer.status_code == 200, answer.text


def decision_in(said: str) -> str:
    """The id that a refused guest is told."""
    return said.partition("decision: ")[2].split()[0]


def test_from_denied_to_allowed(
    app: Flask, services: Services, admin: AdminKey, server: Live, arrive: Arrival, affirming: None
) -> None:
    """A secret is written, withheld, asked about, and released by two people's decision."""
    with app.app_context():
        services.reference_values.withdraw("svn", TESTS)
    custodian = arrive("emeka", Role.SECRET_CUSTODIAN)
    custodian.open("secrets/new")
    custodian.fill_in(path=PATH, text="hunter2 no more")
    expect(custodian.page.get_by_role("status").filter(has_text="stored")).to_be_visible()

    stdout, said = fetch(server)
    assert stdout == ""
    author = arrive("chidi", Role.POLICY_AUTHOR)
    author.open(f"decisions/{decision_in(said)}")
    author.press("Why")
    expect(author.page.locator("main")).to_contain_text("svn")
    author.page.get_by_role("button", name="Open as a draft").first.click()
    author.page.wait_for_url("**/console/proposals/*")
    expect(author.page.locator("main")).to_contain_text("svn")
    approve(app, admin.headers())
    stdout, said = fetch(server)
    assert stdout == "hunter2 no more", said
    custodian.open(f"secrets/{PATH}/who-got")
    expect(custodian.page.locator("main")).to_contain_text("sample")
    assert custodian.complaints + author.complaints == []


def test_a_second_factor_is_set_up_and_asked_for(arrive: Arrival) -> None:
    """After the password the code of the moment is asked for, and a wrong one is refused."""
    reader = arrive("ines", Role.VIEWER)
    reader.open("account/second-factor")
    totp = pyotp.TOTP(reader.page.locator("main p code").inner_text().replace(" ", ""))
    reader.fill_in(code=totp.now())
    expect(reader.page.locator("main")).to_contain_text("recovery codes")
    reader.sign_out()
    reader.fill_in(name="ines", password=OWN_PASSWORD)
    reader.fill_in(code="000000")
    expect(reader.page.get_by_role("alert")).to_be_visible()
    # A code works once, and the one of the next half minute is taken already.
    reader.fill_in(code=totp.at(datetime.now(UTC) + timedelta(seconds=30)))
    reader.is_at("Overview")


def test_each_role_has_its_limits(arrive: Arrival) -> None:
    """What a role may not do is not offered, and refused when it is asked for all the same."""
    viewer = arrive("ines", Role.VIEWER)
    menu = viewer.page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name="Decisions")).to_be_visible()
    for title in ("Secrets", "Signing keys", "Audit", "Operators"):
        expect(menu.get_by_role("link", name=title)).to_have_count(0)
    viewer.open("policies")
    expect(viewer.page.get_by_role("link", name="Edit")).to_have_count(0)
    viewer.open("secrets")
    viewer.is_at("You may not do this")
    expect(viewer.page.locator("main")).to_contain_text("secrets:metadata:read")


def test_two_who_edit_at_once_do_not_overwrite_each_other(arrive: Arrival) -> None:
    """Who saves second sees what the first one saved, and keeps what was typed; it rolls back."""
    first, second = arrive("ada", Role.OWNER), arrive("brendan", Role.OWNER)
    edit = "policies/resource/resource-policy/edit"
    for reader in (first, second):
        reader.open(edit)
    text = first.page.locator("textarea[name=text]").input_value()
    first.fill_in(text=f"{text}\n# by the first")
    expect(first.page.locator("main")).to_contain_text("by the first")
    second.fill_in(text=f"{text}\n# by the second")
    expect(second.page.get_by_role("alert")).to_contain_text("ada")
    assert "by the second" in second.page.locator("textarea[name=text]").input_value()

    second.open("policies/resource/resource-policy/compare?old=2&new=1")
    second.press("Roll back to version 1")
    expect(second.page.locator("main")).not_to_contain_text("by the first")
    second.open("policies/resource/resource-policy/compare?old=1&new=3")
    expect(second.page.locator("main")).to_contain_text("The texts are the same.")


def test_a_key_is_rotated_while_guests_fetch(
    affirming: None, server: Live, arrive: Arrival
) -> None:
    """Nobody is refused: tokens of the old key stay valid, and new ones are known at once."""
    owner = arrive("ada", Role.OWNER)
    stop, fetched = threading.Event(), list[str]()

    def keep_fetching() -> None:
        before = HTTPGuest(server.url)
        while not stop.is_set():
            for guest in (before, HTTPGuest(server.url)):
                guest.resource("default/demo/secret")
                fetched.append("secret")

    guests = threading.Thread(target=keep_fetching)
    guests.start()
    try:
        owner.open("signing-keys")
        current = owner.page.get_by_role("row").filter(has_text="current")
        before = current.locator("code").inner_text()
        owner.press("Rotate…")
        owner.press("Rotate now")
        expect(current.locator("code")).not_to_have_text(before)
        seen = len(fetched)
        owner.page.wait_for_timeout(500)
    finally:
        stop.set()
        guests.join()
    assert len(fetched) > seen + 1
    assert owner.complaints == []


def test_an_operator_comes_by_single_sign_on(
    tmp_path: Path, prepared: tuple[Path, AdminKey], mock_provider: str, browser: Browser
) -> None:
    """The way to the provider and back, which the policy on forms must not stop."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    urllib3.request("PUT", f"{mock_provider}/users/ann", json={"groups": ["owners"]})
    secret = tmp_path / "client-secret"
    secret.write_text("the client's secret\n", encoding="utf-8")
    roles = [{"value": "owners", "role": "owner"}]
    oidc = {"issuer": mock_provider, "client_id": "vouchgate", "client_secret_file": str(secret)}
    oidc |= {"role_claim": "groups", "roles": roles, "label": "Our company"}
    live = Live()
    bind = {"bind": [f"127.0.0.1:{live.port}"]}
    live.app = app = build(make_settings(tmp_path, console={"oidc": oidc}, server=bind))
    with closing(app.extensions[EXTENSION]), live:
        reader = Reader(browser, f"{live.url}/console/")
        reader.open("decisions")
        reader.press("Our company")
        reader.page.locator("[name=sub]").fill("ann")
        reader.page.locator("button[type=submit]").first.click()
        reader.is_at("Decisions")
        reader.close()
