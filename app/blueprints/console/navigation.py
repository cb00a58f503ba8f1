"""Where an operator can go: the pages that the role's permissions open."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, url_for
from flask_login import current_user

from app.blueprints.gate import Caller
from app.console.permissions import Permission, permissions_of


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the navigation.

    Attributes:
        is_current: whether the page that is shown lies behind it.
    """

    title: str
    url: str
    is_current: bool


# Title, endpoint of the first page, and the permission that it asks for.
_PLACES = (
    ("Overview", "console.overview", Permission.OVERVIEW_READ),
    ("Decisions", "console.decisions", Permission.DECISION_READ),
    ("Policies", "console.policies", Permission.POLICY_READ),
    ("Reference values", "console.reference_values", Permission.REFERENCE_VALUE_READ),
    ("Secrets", "console.secrets", Permission.SECRET_READ),
    ("Signing keys", "console.signing_keys", Permission.KEY_READ),
    ("Audit", "console.audit", Permission.AUDIT_READ),
    ("Operators", "console.operators", Permission.OPERATOR_MANAGE),
    ("Settings", "console.settings", Permission.SETTINGS_READ),
    ("Components", "console.components", Permission.COMPONENT_READ),
)


def navigation() -> tuple[Link, ...]:
    """The links of the signed-in operator; none before sign-in."""
    if not current_user.is_authenticated:
        return ()
    permitted = permissions_of(current_user.operator.role)
    home = url_for("console.overview")
    links = []
    for title, endpoint, permission in _PLACES:
        if permission in permitted:
            url = url_for(endpoint)
            is_current = request.path == url if url == home else request.path.startswith(url)
            links.append(Link(title, url, is_current))
    return tuple(links)


def may(caller: Caller, permission: Permission) -> bool:
    """Whether to offer something; the gate decides again when it is asked for."""
    return permission in permissions_of(caller.role)
