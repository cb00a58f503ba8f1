"""The gate: every route declares who may call it, and nothing is served that does not.

``@access(rule)`` marks a view; ``close`` refuses to start an application with an unmarked one and
enforces the rules before every view. So there is no check to forget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from flask import Flask, g, request
from flask_login import current_user

from app.blueprints.deps import services
from app.console.permissions import Permission, permissions_of
from app.trust.audit import Actor
from app.trust.errors import ConfigError, PermissionDeniedError, UnauthenticatedError

View = TypeVar("View", bound=Callable[..., object])
_MARK = "__vouchgate_access__"


class Open(Enum):
    """Rules for views that no operator's permission guards."""

    PUBLIC = "public"
    # The use case itself asks for the guest's session or token.
    GUEST = "guest"
    # A signed-in operator of any role, for the pages about the account itself.
    SIGNED_IN = "signed-in"


PUBLIC, GUEST, SIGNED_IN = Open.PUBLIC, Open.GUEST, Open.SIGNED_IN
Rule = Permission | Open


@dataclass(frozen=True, slots=True)
class Caller:
    """An operator whose credentials were checked.

    Attributes:
        name: account name, or ``subject@provider`` of a bearer token.
        role: the role under which the call is made.
    """

    name: str
    role: str


def access(rule: Rule) -> Callable[[View], View]:
    """Declare who may call a view."""

    def mark(view: View) -> View:
        setattr(view, _MARK, rule)
        return view

    return mark


def rules(app: Flask) -> dict[str, Rule]:
    """The rule of every endpoint.

    Raises:
        ConfigError: a view declares none; it names each of them.
    """
    found: dict[str, Rule] = {}
    unmarked = []
    for endpoint, view in app.view_functions.items():
        rule = PUBLIC if endpoint == "static" else getattr(view, _MARK, None)
        if rule is None:
            unmarked.append(f"the view {endpoint} declares no access rule")
        else:
            found[endpoint] = rule
    if unmarked:
        raise ConfigError(unmarked)
    return found


def close(app: Flask) -> None:
    """Check that every view has its rule, and enforce the rules from now on."""
    by_endpoint = rules(app)

    @app.before_request
    def enforce() -> None:
        if request.endpoint is not None:
            _enforce(by_endpoint[request.endpoint])


def actor() -> Actor:
    """Who makes this request, for the audit log; only behind a permission."""
    caller: Caller = g.caller
    return Actor(caller.name, caller.role, request.remote_addr or "unknown")


def _enforce(rule: Rule) -> None:
    if rule in (PUBLIC, GUEST):
        return
    on_page = request.blueprint in {"console", "login"}
    caller, listed = _operator_of_session() if on_page else _operator_of_bearer()
    g.caller = caller
    if rule is SIGNED_IN:
        return
    if rule not in permissions_of(caller.role):
        raise PermissionDeniedError(f"the role {caller.role} lacks the permission {rule}")
    if not listed:
        raise PermissionDeniedError(
            f"the access list does not let the role {caller.role} {request.method} this path"
        )


def _operator_of_session() -> tuple[Caller, bool]:
    if not current_user.is_authenticated:
        raise UnauthenticatedError("sign in first")
    return Caller(current_user.operator.name, current_user.operator.role), True


def _operator_of_bearer() -> tuple[Caller, bool]:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise UnauthenticatedError("this needs an operator's bearer token")
    admins = services().admins
    identity = admins.authenticate(credential.strip())
    listed = admins.allows(identity, request.method, request.path)
    return Caller(identity.name, identity.role), listed
