"""Where an operator can go: the pages that the role's permissions open, in groups."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, url_for
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.blueprints.gate import Caller
from app.console.permissions import Permission, permissions_of


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the navigation leads to.

    Attributes:
        endpoint: of the first page of its kind.
        permission: what it asks for.
        icon: a name in ``static/icons.svg``.
    """

    title: object
    endpoint: str
    permission: Permission
    icon: str


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the navigation.

    Attributes:
        is_current: whether the page that is shown lies behind it.
    """

    title: object
    url: str
    icon: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Links that belong together; the first group has no title."""

    title: object
    links: tuple[Link, ...]


# A page is added in the group of its subject; one without a group of its own opens a new line here.
_GROUPS: tuple[tuple[object, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place(_l("Overview"), "console.overview", Permission.OVERVIEW_READ, "overview"),
            Place(_l("Decisions"), "console.decisions", Permission.DECISION_READ, "decisions"),
            Place(_l("Secrets"), "console.secrets", Permission.SECRET_READ, "secrets"),
        ),
    ),
    (
        _l("Rules"),
        (
            Place(_l("Policies"), "console.policies", Permission.POLICY_READ, "policies"),
            Place(_l("Proposals"), "console.proposals", Permission.PROPOSAL_READ, "proposals"),
            Place(
                _l("Reference values"),
                "console.reference_values",
                Permission.REFERENCE_VALUE_READ,
                "reference-values",
            ),
        ),
    ),
    (
        _l("Trust"),
        (
            Place(_l("Issuers"), "console.trust", Permission.ISSUER_READ, "issuers"),
            Place(_l("Signing keys"), "console.signing_keys", Permission.KEY_READ, "keys"),
            Place(_l("Collateral"), "console.collateral", Permission.COLLATERAL_READ, "collateral"),
            Place(_l("Inspector"), "console.inspector", Permission.INSPECTOR_USE, "inspector"),
        ),
    ),
    (
        _l("People"),
        (
            Place(_l("Audit"), "console.audit", Permission.AUDIT_READ, "audit"),
            Place(_l("Operators"), "console.operators", Permission.OPERATOR_MANAGE, "operators"),
            Place(_l("API tokens"), "console.api_tokens", Permission.API_TOKEN_MAKE, "tokens"),
            Place(_l("Roles"), "console.roles", Permission.OVERVIEW_READ, "roles"),
        ),
    ),
    (
        _l("Server"),
        (
            Place(_l("First steps"), "console.first_steps", Permission.OVERVIEW_READ, "init-data"),
            Place(_l("Settings"), "console.settings", Permission.SETTINGS_READ, "settings"),
            Place(_l("Components"), "console.components", Permission.COMPONENT_READ, "components"),
        ),
    ),
)

# What belongs to the account itself; a signed-in operator of any role may open it.
_ACCOUNT = (
    (_l("Your account"), "login.account", "account"),
    (_l("Change the password"), "login.password", "keys"),
)


def navigation() -> tuple[Group, ...]:
    """The links of the signed-in operator; none before sign-in."""
    if not current_user.is_authenticated:
        return ()
    permitted = permissions_of(current_user.operator.role)
    groups = []
    for title, places in _GROUPS:
        links = tuple(_link(place) for place in places if place.permission in permitted)
        if links:
            groups.append(Group(title, links))
    return tuple(groups)


def account_links() -> tuple[Link, ...]:
    """What the signed-in operator finds behind their own name."""
    return tuple(
        Link(title, url_for(endpoint), icon, request.endpoint == endpoint)
        for title, endpoint, icon in _ACCOUNT
    )


def may(caller: Caller, permission: Permission) -> bool:
    """Whether to offer something; the gate decides again when it is asked for."""
    return permission in caller.permissions


def _link(place: Place) -> Link:
    url = url_for(place.endpoint)
    is_home = url == url_for("console.overview")
    is_current = request.path == url or (not is_home and request.path.startswith(f"{url}/"))
    return Link(place.title, url, place.icon, is_current)
