"""The access list matches what was routed, and nothing that only looks like it."""

from __future__ import annotations

import pytest

from app.console.access_rules import AccessRule, allowed

RULES = (
    AccessRule("custodian", frozenset({"POST"}), ("/kbs/v0/resource/team/*/*",)),
    AccessRule("reader", frozenset({"GET"}), ("/api/v1/**",)),
    AccessRule("owner", frozenset({"*"}), ("/**",)),
)


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("custodian", "POST", "/kbs/v0/resource/team/db"),
        ("custodian", "POST", "/kbs/v0/resource/team/db/password/more"),
        ("custodian", "POST", "/kbs/v0/resource/other/db/password"),
        ("custodian", "POST", "/kbs/v0/resource/team/../x"),
        ("custodian", "POST", "/kbs/v0/resource/team//x"),
        ("custodian", "POST", "//kbs/v0/resource/team/db/password"),
        ("custodian", "POST", "/kbs/v0/resource-policy?x=/kbs/v0/resource/team/db/password"),
        ("custodian", "DELETE", "/kbs/v0/resource/team/db/password"),
        ("custodian", "post", "/kbs/v0/resource/team/db/password"),
        ("reader", "GET", "/api/v1"),
        ("reader", "GET", "/api/v10/decisions"),
        ("nobody", "GET", "/api/v1/decisions"),
        ("", "GET", "/api/v1/decisions"),
    ],
)
def test_refuses(role: str, method: str, path: str) -> None:
    """Other roles, methods, depths, prefixes and tricks are not on the list."""
    assert not allowed(RULES, role, method, path)


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("custodian", "POST", "/kbs/v0/resource/team/db/password"),
        ("reader", "GET", "/api/v1/decisions"),
        ("reader", "GET", "/api/v1/decisions/abc"),
        ("owner", "DELETE", "/kbs/v0/resource/a/b/c"),
    ],
)
def test_allows(role: str, method: str, path: str) -> None:
    """What a line names is allowed."""
    assert allowed(RULES, role, method, path)


def test_an_empty_list_allows_nothing() -> None:
    """Nothing said means no."""
    assert not allowed((), "owner", "GET", "/")
