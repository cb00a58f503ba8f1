"""The value of a secret in the browser: for owners, with a reason, once, and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from servers import AdminKey, make_settings
from sqlalchemy import update

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.permissions import PERMISSIONS, Permission, Role
from app.factory import build
from app.store.database import db
from app.store.tables import console_sessions
from app.trust.audit import Actor

PATH = ResourceID("default", "app", "key")
ADDRESS = f"/secrets/{PATH}/reveal"
VALUE = "hunter2-is-a-<secret>"
REASON = "compare with the vault"


@pytest.fixture
def owner(console: Callable[..., Console], app: Flask, services: Services) -> Console:
    """An owner, and a secret with two versions."""
    store(app, services, VALUE.encode())
    store(app, services, b"newer")
    return console(Role.OWNER)


def store(app: Flask, services: Services, value: bytes) -> None:
    """Write a version."""
    with app.app_context():
        services.custody.write(PATH, value, Actor("tests", "owner"))


def newest_entry(app: Flask, services: Services) -> Any:
    """What was audited last."""
    with app.app_context():
        return services.audit.page(before=None, limit=1)[0].entry


def test_only_owners_have_the_permission() -> None:
    """A custodian writes and deletes without reading what others wrote."""
    having = [role for role in Role if Permission.SECRET_REVEAL in PERMISSIONS[role]]
    assert having == [Role.OWNER]


def test_a_custodian_is_refused_and_not_offered(
    owner: Console, console: Callable[..., Console]
) -> None:
    """Neither the question nor the answer."""
    custodian = console(Role.SECRET_CUSTODIAN)
    assert "Reveal" not in custodian.get(f"/secrets/{PATH}").text
    assert custodian.get(f"{ADDRESS}?version=1").status_code == 403
    refused = custodian.post(ADDRESS, version=1, reason=REASON)
    assert refused.status_code == 403
    assert VALUE not in refused.text


def test_a_session_alone_reveals_nothing(owner: Console, app: Flask, services: Services) -> None:
    """A stolen or unattended browser is asked for the password first."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(console_sessions).values(proved_at=long_ago))
    assert owner.get(f"{ADDRESS}?version=1").location.startswith("/console/prove?next=")
    refused = owner.post(ADDRESS, version=1, reason=REASON)
    assert refused.headers["Vouchgate-Reason"] == "proof-needed"
    assert "hunter2" not in refused.text
    assert newest_entry(app, services).action != "secret:version:reveal"


@pytest.mark.parametrize("reason", ["", "because", "x" * 501])
def test_without_a_reason_the_form_comes_back(
    owner: Console, app: Flask, services: Services, reason: str
) -> None:
    """With what was typed, the fault at the field, and no value."""
    page = owner.post(ADDRESS, version=1, reason=reason)
    assert page.status_code == 400
    assert "a reason has 8 to 500" in page.text
    assert f'value="{reason}"' in page.text
    assert "hunter2" not in page.text
    assert newest_entry(app, services).action != "secret:version:reveal"


def test_bad_versions_reveal_nothing(owner: Console) -> None:
    """Numbers that are none, and numbers of no version."""
    assert owner.get(ADDRESS).status_code == 400
    assert owner.get(f"{ADDRESS}?version=3").status_code == 404
    assert owner.post(ADDRESS, version="x", reason=REASON).status_code == 400
    assert owner.post(ADDRESS, version=3, reason=REASON).status_code == 404


def test_the_value_is_shown_once_and_kept_nowhere(
    owner: Console, app: Flask, services: Services
) -> None:
    """On the answer to the form alone, which no cache keeps; the record tells who and why."""
    assert "hunter2" not in owner.get(f"{ADDRESS}?version=1").text
    page = owner.post(ADDRESS, version=1, reason=REASON)
    assert page.status_code == 200
    assert "hunter2-is-a-&lt;secret&gt;" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "Location" not in page.headers
    entry = newest_entry(app, services)
    assert (entry.action, entry.note) == ("secret:version:reveal", REASON)
    assert (entry.subject, entry.actor.name) == (f"{PATH} version 1", "an-owner")
    for path in (f"/secrets/{PATH}", ADDRESS + "?version=1", "/audit", "/audit.jsonl"):
        assert "hunter2" not in owner.get(path).text
    assert REASON in owner.get("/audit").text


@pytest.mark.parametrize("value", [b"\x00\xff", "\u202etxt".encode(), b"a\x1bb"])
def test_what_is_no_text_is_shown_as_base64(
    owner: Console, app: Flask, services: Services, value: bytes
) -> None:
    """Bytes, and characters that a page would not show as they are."""
    store(app, services, value)
    page = owner.post(ADDRESS, version=3, reason=REASON).text
    assert base64.b64encode(value).decode() in page


def test_switched_off_nobody_reads(
    tmp_path: Path, prepared: tuple[Path, AdminKey], owner: Console
) -> None:
    """The setting holds for owners too, and nothing is offered."""
    app = build(make_settings(tmp_path, broker={"secret_reveal": False}))
    services = app.extensions[EXTENSION]
    closed = Console.of(app, services, Role.OWNER, "bob")
    assert "Reveal" not in closed.get(f"/secrets/{PATH}").text
    for page in (
        closed.get(f"{ADDRESS}?version=1"),
        closed.post(ADDRESS, version=1, reason=REASON),
    ):
        assert page.status_code == 403
        assert page.headers["Vouchgate-Reason"] == "reveal-disabled"
    services.close()
