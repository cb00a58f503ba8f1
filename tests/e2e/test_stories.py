"""What people do with the console, from end to end: each in a browser, with a real guest."""

from __future__ import annotations

import shutil
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import urllib3
from browsing import OWN_PASSWORD, Reader
from flask import Flask
from live import Live
from playwright.sync_api import Browser, expect
from processes import vouchgate, vouchgate_guest
from raw_guest import HTTPGuest
from servers import AdminKey, settings_table
from sqlalchemy import update
from toml_files import write_toml

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.config import load_settings
from app.console.permissions import Role
from app.factory import build
from app.store.database import db
from app.store.tables import console_sessions
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
def arrive(app: Flask, server: Live, browser: Browser) -> Iterator[Arrival]:
    """Lets an operator of a role sign in for the first time."""
    with arrivals(app, server, browser) as arrive:
        yield arrive


@contextmanager
def arrivals(app: Flask, live: Live, browser: Browser) -> Iterator[Arrival]:
    """The same, on any server."""
    services: Services = app.extensions[EXTENSION]
    with ExitStack() as leaving:

        def arrive(name: str, role: Role) -> Reader:
            with app.app_context():
                password = services.operators.create(name, role, TESTS)
            reader = Reader(browser, f"{live.url}/console/")
            leaving.callback(reader.close)
            reader.sign_in(name, password)
            return reader

        yield arrive


@contextmanager
def serving(folder: Path, prepared: Path, **parts: object) -> Iterator[tuple[Live, Flask, Path]]:
    """A server with settings of its own, its application, and the file with its settings."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    live = Live()
    table = settings_table(folder, server={"bind": [f"127.0.0.1:{live.port}"]}, **parts)
    file = write_toml(folder / "vouchgate.toml", table)
    live.app = app = build(load_settings(file))
    with closing(app.extensions[EXTENSION]), live:
        yield live, app, file


def fetch(server: Live, path: str = PATH) -> tuple[str, str]:
    """What the guest's command gets, and what it says besides."""
    command = vouchgate_guest("get-resource", "--insecure-sample", "--kbs-url", server.url)
    done = subprocess.run(
        [*command, f"kbs:///{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout, done.stderr


def test_the_first_owner_comes_by_the_link_of_the_terminal(
    tmp_path: Path, prepared: tuple[Path, AdminKey], browser: Browser
) -> None:
    """The command's link makes an account, which sees what was made and takes it to a guest."""
    with serving(tmp_path, prepared[0]) as (live, _, file):
        command = [*vouchgate("operators", "setup-link"), "--config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        reader = Reader(browser, f"{live.url}/console/")
        reader.context.grant_permissions(["clipboard-read", "clipboard-write"])
        reader.page.goto(done.stdout.strip())
        reader.is_at("Make the first account")
        assert reader.page.url == f"{live.url}/console/setup"
        reader.fill_in(name="ann", password=OWN_PASSWORD, repeated=OWN_PASSWORD)
        reader.is_at("First steps")
        made = reader.page.locator("main")
        for text in ("default_cpu", "resource-policy", "sample", str(tmp_path)):
            expect(made).to_contain_text(text)
        reader.page.locator("[data-copy]").first.get_by_role("button", name="Copy").click()
        copied = reader.page.evaluate("navigator.clipboard.readText()")
        assert tomllib.loads(copied)["token_configs"]["kbs"]["url"] == live.url
        reader.sign_out()
        reader.fill_in(name="ann", password=OWN_PASSWORD)
        reader.is_at("Overview")
        assert reader.complaints == []
        reader.close()


def test_two_people_change_a_policy(
    tmp_path: Path, prepared: tuple[Path, AdminKey], browser: Browser
) -> None:
    """Who proposes is not offered to approve; the other reads, approves, and it decides."""
    rule = {"two_person_rule": True}
    with (
        serving(tmp_path, prepared[0], console=rule) as (live, app, _),
        arrivals(app, live, browser) as arrive,
    ):
        author = arrive("ada", Role.POLICY_AUTHOR)
        author.open("policies/resource/resource-policy")
        author.press("Edit")
        expect(author.page.get_by_role("button", name="Save and activate")).to_have_count(0)
        author.fill_in(text="package policy\n\ndefault allow := false\n", comment="closed")
        author.page.wait_for_url("**/console/proposals/*")
        expect(author.page.get_by_role("button", name="Approve")).to_have_count(0)

        other = arrive("brendan", Role.OWNER)
        other.page.get_by_role("link", name="Proposals").click()
        other.press("resource-policy")
        other.press("Approve and carry out")
        expect(other.page.locator("main")).to_contain_text("counts from now on")
        author.open("policies/resource/resource-policy")
        expect(author.page.locator("main")).to_contain_text("ada, approved by brendan")
        assert author.complaints + other.complaints == []


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
    """To the provider and back; later once more in a new tab, while a form waits for it."""
    urllib3.request("PUT", f"{mock_provider}/users/ann", json={"groups": ["owners"]})
    secret = tmp_path / "client-secret"
    secret.write_text("the client's secret\n", encoding="utf-8")
    roles = [{"value": "owners", "role": "owner"}]
    oidc = {"issuer": mock_provider, "client_id": "vouchgate", "client_secret_file": str(secret)}
    oidc |= {"role_claim": "groups", "roles": roles, "label": "Our company"}
    with serving(tmp_path, prepared[0], console={"oidc": oidc}) as (live, app, _):
        reader = Reader(browser, f"{live.url}/console/")
        reader.open("decisions")
        reader.press("Our company")
        reader.page.locator("[name=sub]").fill("ann")
        reader.page.locator("button[type=submit]").first.click()
        reader.is_at("Decisions")

        reader.open("operators/new")
        with app.app_context(), db.engine.begin() as connection:
            long_ago = datetime.now(UTC) - timedelta(hours=1)
            connection.execute(update(console_sessions).values(proved_at=long_ago))
        reader.fill_in(name="eve")
        reader.is_at("Is it you?")
        with reader.context.expect_page() as opened:
            reader.press("Show who you are")
        opened.value.get_by_role("button", name="ann").click()
        expect(opened.value.get_by_role("heading", level=1)).to_have_text("It is you")
        reader.press("Then do it")
        reader.is_at("One-time password of eve")
        reader.close()
