"""The audit log and the accounts in the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from console_client import Console
from flask import Flask
from sqlalchemy import update

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role
from app.store.database import db
from app.store.tables import audit_records

PASSWORD = re.compile(r'class="once"[^>]*>([^<]+)<')


def services_of(app: Flask) -> Services:
    """The use cases of an application."""
    found: Services = app.extensions[EXTENSION]
    return found


@pytest.fixture
def owner_console(console: Callable[..., Console]) -> Console:
    """Someone who may do everything."""
    return console(Role.OWNER)


def test_a_change_of_the_past_shows(owner_console: Console, app: Flask) -> None:
    """A record that was altered in the database breaks the chain on the page."""
    assert "The chain holds" in owner_console.get("/audit").text
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(
            update(audit_records).where(audit_records.c.sequence == 2).values(subject="other")
        )
    page = owner_console.get("/audit").text
    assert "The chain is broken at record 2" in page
    assert "The chain holds" not in page


def test_the_whole_log_is_verified_on_demand(owner_console: Console, app: Flask) -> None:
    """Piece after piece, each page leading to the next until the end or a break."""
    for name in ("a", "b", "c"):
        owner_console.post("/operators/new", name=name, role="viewer")
    with app.app_context():
        services_of(app).housekeeping()
    assert "The chain holds, from record 1" in owner_console.get("/audit/chain?until=end").text
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(
            update(audit_records).where(audit_records.c.sequence == 2).values(source="elsewhere")
        )
    # What was verified before is not hashed again by every page, but on demand.
    assert "The chain holds" in owner_console.get("/audit").text
    page = owner_console.get("/audit/chain?until=end")
    assert "The chain is broken at record 2" in page.text
    assert "Refresh" not in page.headers


def test_a_long_log_is_verified_page_by_page(
    owner_console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a script: a page that is not the last one leads to the next by itself."""
    monkeypatch.setattr("app.console.audit_keeping.LONG_SLICE", 1)
    owner_console.post("/operators/new", name="a", role="viewer")
    stops = owner_console.get("/audit/chain")
    assert "Refresh" not in stops.headers
    runs = owner_console.get("/audit/chain?until=end")
    assert runs.headers["Refresh"] == "0; url=/console/audit/chain?after=1&until=end"


def test_records_are_filtered(owner_console: Console) -> None:
    """Who, what, about what; the links of a page keep the filters."""
    for name in ("a", "b"):
        owner_console.post("/operators/new", name=name, role="viewer")
    page = owner_console.get("/audit?actor=an-owner&action=operators:account:create&limit=1").text
    assert "<code>b</code>" in page
    assert "<code>a</code>" not in page
    assert "actor=an-owner&amp;action=operators:account:create&amp;before=" in page
    assert "No record meets every filter" in owner_console.get("/audit?actor=nobody").text
    assert "2019" not in owner_console.get("/audit?until=2020-01-01T00:00").text


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-99-99",
        "before=x",
        "before=-1",
        "limit=0",
        "after=x",
        "after=",
    ],
)
def test_filters_that_cannot_be_are_refused(owner_console: Console, query: str) -> None:
    """With the name of the parameter."""
    path = "/audit/chain" if query.startswith("after") else "/audit"
    page = owner_console.get(f"{path}?{query}")
    assert page.status_code == 400
    assert query.partition("=")[0] in page.text


def test_one_record_shows_its_digests_whole(owner_console: Console, services: Services) -> None:
    """And one that is not there is 404."""
    assert re.search(r"<code>[0-9a-f]{64}</code>", owner_console.get("/audit/1").text)
    for sequence in ("999999", "9" * 30):
        assert owner_console.get(f"/audit/{sequence}").status_code == 404


def test_the_csv_is_filtered_and_no_formula(owner_console: Console) -> None:
    """What an operator named cannot run in somebody's spreadsheet."""
    owner_console.post("/operators/new", name="=cmd()", role="viewer")
    response = owner_console.get("/audit.csv?action=operators:account:create")
    assert response.headers["Content-Type"].startswith("text/csv")
    assert "'=cmd()" in response.text
    assert ",=cmd()" not in response.text


def test_the_export_has_every_record(
    owner_console: Console, app: Flask, services: Services
) -> None:
    """One JSON object a line, with the digests that an outsider checks."""
    response = owner_console.get("/audit.jsonl")
    records = [json.loads(line) for line in response.text.splitlines()]
    with app.app_context():
        newest = services.audit.page(before=None, limit=1)[0]
    assert [record["sequence"] for record in records] == list(range(newest.sequence, 0, -1))
    assert records[0]["digest"] == newest.digest
    assert "attachment" in response.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("name", "fault"), [("", "has a name"), ("x" * 65, "1 to 64"), ("an-owner", "already")]
)
def test_an_account_that_cannot_be_is_told(owner_console: Console, name: str, fault: str) -> None:
    """No name, too long a name, a name that is taken."""
    assert fault in owner_console.post("/operators/new", name=name, role="viewer").text


def test_a_one_time_password_is_shown_once(owner_console: Console, app: Flask) -> None:
    """It stands on the answer to the form and nowhere afterwards, and it signs in."""
    page = owner_console.post("/operators/new", name="bob", role="auditor")
    found = PASSWORD.search(page.text)
    assert found
    for path in ("/operators", "/audit", "/operators/change?name=bob"):
        assert found[1] not in owner_console.get(path).text
    client = app.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/console/sign-in").text)
    assert token
    form = {"name": "bob", "password": found[1], "csrf_token": token[1]}
    assert client.post("/console/sign-in", data=form).status_code == 303


def test_a_reset_ends_sessions(owner_console: Console, console: Callable[..., Console]) -> None:
    """Whoever was signed in has to sign in again, with the new password."""
    carl = console(Role.VIEWER, "carl")
    assert PASSWORD.search(owner_console.post("/operators/reset", name="carl").text)
    assert carl.get("/").status_code == 303


def test_a_role_counts_at_once(owner_console: Console, console: Callable[..., Console]) -> None:
    """Sessions of the old role end, and the log says that it changed."""
    carl = console(Role.VIEWER, "carl")
    assert carl.get("/audit").status_code == 403
    assert owner_console.post("/operators/role", name="carl", role="auditor").status_code == 303
    assert carl.get("/audit").status_code == 303
    assert "operators:role:change" in owner_console.get("/audit").text


@pytest.mark.parametrize(
    ("name", "role", "status"), [("an-owner", "viewer", 409), ("none", "viewer", 404)]
)
def test_a_role_that_cannot_change_is_told(
    owner_console: Console, name: str, role: str, status: int
) -> None:
    """The last owner stays one; nobody has no role."""
    page = owner_console.post("/operators/role", name=name, role=role)
    assert page.status_code == status
    assert owner_console.get("/operators").status_code == 200


def test_a_role_that_is_none_is_refused(owner_console: Console) -> None:
    """Only what is offered is a role."""
    assert owner_console.post("/operators/role", name="an-owner", role="god").status_code == 400
