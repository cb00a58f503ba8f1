"""Every page of the console, found in the URL map, with values for what its address asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from werkzeug.routing import Rule

from app.blueprints.services import Services
from app.console.changes import PolicyChange
from app.trust.audit import Actor
from app.trust.decisions import DecisionKind, DecisionQuery, Outcome
from app.trust.policies import PolicyKind
from bench.stories import DELETED, GUESTS, ISSUER, SECRETS, furnish, visit

_DENY = "package policy\n\ndeny := true\n"
_REPOSITORY, _TYPE, _TAG = SECRETS[0]
_SECRET = {"repository": _REPOSITORY, "kind": _TYPE, "tag": _TAG}
# What the arguments of an address are filled with, by its endpoint or by how it begins. A page that
# begins otherwise, or has other arguments, needs its line here.
VALUES = {
    "console.confirm_secret_destruction": dict(zip(_SECRET, DELETED, strict=True)),
    "/console/audit/": {"sequence": "1"},
    "/console/decisions/": {"decision_id": "0" * 32},
    "/console/policies/new/": {"kind": "resource"},
    "/console/policies/": {"kind": "attestation", "policy_id": "default_cpu"},
    "/console/proposals/": {"proposal_id": "0" * 20},
    "/console/reasons/": {"code": "policy-denied"},
    "/console/secrets/": _SECRET,
    "/console/trust/issuers/": {"name": ISSUER},
}
# What pages ask for behind the question mark; those that ask for a decision get it from ``fill``.
QUERIES = {
    "console.change_operator": {"name": "ines"},
    "console.confirm_secret_restore": {"version": "1"},
    "console.confirm_secret_reveal": {"version": "1"},
    "console.confirm_withdrawal": {"name": "svn"},
    "console.new_reference_value": {"name": "svn", "value": '["2"]'},
    "console.reference_value": {"name": "svn"},
}
# Pages that are there only in the middle of something, or when there is something to take away.
_STEPS = {
    "console.export_collateral",
    "login.arrive",
    "login.setup",
    "login.sign_in_code",
}


@dataclass(frozen=True)
class Address:
    """One page: its endpoint, and its address with every argument filled in."""

    endpoint: str
    path: str


Values = dict[str, dict[str, str]]


def fill(services: Services) -> tuple[Values, Values]:
    """Let a month's guests come by, and say what addresses and queries are filled with."""
    furnish(services)
    for guest in GUESTS:
        list(visit(services, guest))
    denied = _newest(services, kind=DecisionKind.RELEASE, outcome=Outcome.DENIED)
    attested = {"decision": _newest(services, reason="contraindicated", tee="sample")}
    change = PolicyChange(PolicyKind.RESOURCE, "scope:resource:prod", _DENY, 0)
    proposal = services.proposals.propose(change, Actor("ines", "owner"))
    values = VALUES | {
        "/console/decisions/": {"decision_id": denied},
        "/console/proposals/": {"proposal_id": proposal.proposal_id},
    }
    queries = QUERIES | {
        "console.take_from_attestation": attested,
        "console.confirm_taking": attested | {"name": "svn"},
    }
    return values, queries


def _newest(services: Services, **wanted: Any) -> str:
    (found,) = services.decisions.page(DecisionQuery(limit=1, **wanted))
    return found.decision_id


def addresses(app: Flask, values: Values = VALUES, queries: Values = QUERIES) -> list[Address]:
    """Every page that a signed-in operator can open.

    Raises:
        LookupError: nothing says what a page's address is filled with.
    """
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        blueprint = rule.endpoint.partition(".")[0]
        is_page = blueprint in {"console", "login"} and "GET" in (rule.methods or ())
        if is_page and rule.endpoint not in _STEPS:
            found.append(Address(rule.endpoint, _path(app, rule, values, queries)))
    return found


def _path(app: Flask, rule: Rule, values: Values, queries: Values) -> str:
    by_beginning = (each for start, each in values.items() if rule.rule.startswith(start))
    known = values.get(rule.endpoint) or next(by_beginning, {})
    missing = rule.arguments - known.keys()
    if missing:
        raise LookupError(f"tests/console_pages.py has no values of {missing} for {rule.rule}")
    arguments = {name: known[name] for name in rule.arguments}
    path = app.url_map.bind("localhost").build(rule.endpoint, arguments)
    query = queries.get(rule.endpoint)
    return f"{path}?{urlencode(query)}" if query else path
