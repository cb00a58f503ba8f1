"""Who may call what, as a file: a change of access is a change of ``routes.txt`` in a diff."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import pytest
from flask import Flask
from repository import ROOT

from app.blueprints import gate

GOLDEN = ROOT / "tests" / "meta" / "routes.txt"
# What is served besides health, metrics and the REST interface for operators.
ROLES = {"as": {"attestation"}, "kbs": {"broker"}, "console": {"console", "login", "front"}}
EVERYWHERE = {"static", "ops", "api"}


def table(app: Flask) -> list[str]:
    """One line a route: endpoint, methods, path, rule, and whether a recent proof is asked for."""
    rules = gate.rules(app)
    lines = []
    for route in app.url_map.iter_rules():
        methods = ",".join(sorted((route.methods or set()) - {"HEAD", "OPTIONS"}))
        rule = rules[route.endpoint].value
        if gate.asks_for_recent_proof(app.view_functions[route.endpoint]):
            rule += ", recent proof"
        lines.append(f"{route.endpoint:40} {methods:20} {route.rule:46} {rule}")
    return sorted(lines)


def test_the_routes_are_those_that_were_reviewed(full_app: Flask) -> None:
    """Endpoint, methods, path and access rule of every route."""
    golden = GOLDEN.read_text(encoding="utf-8").splitlines()
    difference = list(difflib.unified_diff(golden, table(full_app), n=0, lineterm=""))
    assert not difference, "review each line, then bring routes.txt up to date:\n" + "\n".join(
        difference
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_serves_only_its_own(
    role: str, full_app: Flask, build_app: Callable[..., Flask]
) -> None:
    """What a process has no role for is not routed at all, and no rule depends on roles."""
    lines = table(build_app([role]))
    assert {line.partition(".")[0].split()[0] for line in lines} - EVERYWHERE == ROLES[role]
    assert set(lines) <= set(table(full_app))
