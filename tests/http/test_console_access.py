"""Every page and every form of the console: who is refused, and what a forged form does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask

from app.blueprints import gate
from app.console.permissions import PERMISSIONS, Permission, Role


def routes(app: Flask, method: str) -> list[tuple[str, gate.Rule]]:
    """The console's paths that take a method, each with its rule and with values for parameters."""
    rules = gate.rules(app)
    values = {
        "decision_id": "0" * 32,
        "kind": "attestation",
        "policy_id": "default_cpu",
        "sequence": "1",
    }
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


@pytest.mark.parametrize(
    ("role", "path", "words"),
    [
        (Role.VIEWER, "/secrets", "Ask an owner for a role"),
        (Role.OWNER, "/decisions/none", "Check the address"),
        (Role.OWNER, "/nowhere", "Check the address"),
        (Role.OWNER, "/?window=year", "mend what the sentence above names"),
    ],
)
def test_a_refusal_says_what_to_do_next(
    console: Callable[..., Console], role: Role, path: str, words: str
) -> None:
    """In words, and with a way out."""
    page = console(role).get(path).text
    assert words in page
    assert 'href="/console/"' in page.partition("<main")[2]


def test_a_refusal_leads_to_the_explanation_of_its_reason(console: Callable[..., Console]) -> None:
    """Where the code is one that decisions end with."""
    page = console(Role.OWNER).get("/?window=year").text
    assert 'href="/console/reasons/malformed-request"' in page
