"""Every page and every form of the console: who is refused, and what a forged form does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask

from app.blueprints import gate
from app.blueprints.services import Services
from app.console.permissions import PERMISSIONS, Permission, Role


def routes(app: Flask, method: str) -> list[tuple[str, gate.Rule]]:
    """The console's paths that take a method, each with its rule and with values for parameters."""
    rules = gate.rules(app)
    values = {"decision_id": "0" * 32, "kind": "attestation", "policy_id": "default_cpu"}
    found = []
    for route in app.url_map.iter_rules():
        if route.endpoint.startswith("console.") and method in (route.methods or ()):
            path = re.sub(
                r"<(?:[^<>:]+:)?(\w+)>", lambda name: values.get(name[1], "x"), route.rule
            )
            found.append((path.removeprefix("/console"), rules[route.endpoint]))
    return found


def role_without(permission: Permission) -> Role | None:
    """Some role that lacks a permission."""
    return next((role for role in Role if permission not in PERMISSIONS[role]), None)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refusal_names_the_missing_permission(
    app: Flask, console: Callable[..., Console], method: str
) -> None:
    """Whoever lacks a permission reads which one, on every page and for every form."""
    operators: dict[Role, Console] = {}
    for path, rule in routes(app, method):
        assert isinstance(rule, Permission)
        role = role_without(rule)
        if role is None:
            continue
        operator = operators.setdefault(role, operators.get(role) or console(role))
        page: Any = operator.get(path) if method == "GET" else operator.post(path)
        assert page.status_code == 403, path
        assert rule.value in page.text, path
        assert "You may not do this" in page.text


def test_a_form_without_its_token_changes_nothing(
    app: Flask, console: Callable[..., Console], row_counts: Callable[[], dict[str, int]]
) -> None:
    """No form of the console is taken from another site."""
    owner = console(Role.OWNER)
    before = row_counts()
    for path, _ in routes(app, "POST"):
        response = owner.client.post(f"/console{path}", data={"name": "x", "text": "x"})
        assert response.status_code == 400, path
    assert row_counts() == before


def test_strangers_are_asked_to_sign_in(app: Flask) -> None:
    """Nothing is shown before sign-in, not even whether a thing exists."""
    client = app.test_client()
    for path, _ in routes(app, "GET"):
        response = client.get(f"/console{path}")
        assert response.status_code == 303, path
        assert response.location.startswith("/console/sign-in")


def test_pages_hold_together(
    app: Flask, affirming: None, services: Services, console: Callable[..., Console]
) -> None:
    """Each page has one heading of the first level, no inline style or script, labelled fields."""
    owner = console(Role.OWNER)
    for path, _ in routes(app, "GET"):
        page = owner.get(path)
        assert page.status_code in {200, 404, 400}, path
        if page.mimetype != "text/html":
            continue
        text = page.text
        assert text.count("<h1") == 1, path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path
        assert "style=" not in text, path
        assert not re.search(r'(src|href)="(https?:)?//', text), path
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), path
        fields = re.findall(r"<(?:input|select|textarea)\b[^>]*>", text)
        visible = [each for each in fields if 'type="hidden"' not in each]
        labelled = set(re.findall(r'<label[^>]*for="([^"]+)"', text))
        for each in visible:
            found = re.search(r'\sid="([^"]+)"', each)
            assert found, (path, each)
            assert found.group(1) in labelled, (path, each)
