"""Signing keys in the browser: listed with their states, rotated after a confirmation."""

from __future__ import annotations

from collections.abc import Callable

from console_client import Console
from flask import Flask

from app.blueprints.services import Services
from app.console.permissions import Role


def test_private_keys_are_nowhere_on_the_page(console: Callable[..., Console]) -> None:
    """What is shown is public: ids, states, times."""
    text = console(Role.OPERATOR).get("/signing-keys").text
    assert "PRIVATE KEY" not in text
    assert "sealed" not in text


def test_whoever_may_only_read_is_offered_no_rotation(console: Callable[..., Console]) -> None:
    """An auditor sees the keys and no way to change them."""
    text = console(Role.AUDITOR).get("/signing-keys").text
    assert "current" in text
    assert "/rotate" not in text


def test_rotation_is_confirmed_and_audited(
    console: Callable[..., Console], app: Flask, services: Services
) -> None:
    """Asking does nothing; confirming lets the next key sign and retires the current one."""
    operator = console(Role.OPERATOR)
    with app.app_context():
        before = {key.state: key.key_id for key in services.token_keys.list()}
    assert "Rotate the signing key?" in operator.get("/signing-keys/rotate").text
    with app.app_context():
        assert before == {key.state: key.key_id for key in services.token_keys.list()}
    assert operator.post("/signing-keys/rotate").status_code == 303
    with app.app_context():
        after = {key.state: key.key_id for key in services.token_keys.list()}
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert (after["current"], after["retired"]) == (before["next"], before["current"])
    assert (entry.action, entry.actor.name) == ("key:token:rotate", "an-operator")
    assert "stays published" in operator.get("/signing-keys").text
