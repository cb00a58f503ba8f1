"""The audit log and the accounts in the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from console_client import Console
from flask import Flask
from sqlalchemy import update

from app.blueprints.services import Services
from app.console.permissions import Role
from app.store.database import db
from app.store.tables import audit_records

PASSWORD = re.compile(r'class="once"[^>]*>([^<]+)<')


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


def test_a_page_is_checked_against_the_record_before_it(owner_console: Console, app: Flask) -> None:
    """The last record that is shown is judged too, though its predecessor is not shown."""
    for name in ("a", "b", "c"):
        owner_console.post("/operators/new", name=name, role="viewer")
    with app.app_context(), db.engine.connect() as connection:
        newest = connection.execute(audit_records.select()).all()[-1].sequence
        connection.execute(
            update(audit_records)
            .where(audit_records.c.sequence == newest - 1)
            .values(digest="0" * 64)
        )
    assert "is broken" in owner_console.get("/audit?limit=1").text
    page = owner_console.get(f"/audit?limit=1&before={newest - 1}").text
    assert "The chain holds" in page
    assert f"before={newest - 2}" in page


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
    """The next request is judged by the new role, in a session that goes on."""
    carl = console(Role.VIEWER, "carl")
    assert carl.get("/audit").status_code == 403
    assert owner_console.post("/operators/role", name="carl", role="auditor").status_code == 303
    assert carl.get("/audit").status_code == 200
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
