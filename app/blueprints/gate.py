"""The gate: every route declares who may call it, and nothing is served that does not.

``@access(rule)`` marks a view; ``close`` refuses to start an application with an unmarked one and
enforces the rules before every view. So there is no check to forget. ``@recently_authenticated``
marks a page whose caller must have shown a moment ago who it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from flask import Flask, g, request
from flask_login import current_user

from app.blueprints.deps import services
from app.console.api_tokens import is_api_token
from app.console.permissions import PERMISSIONS, Permission, Role, permissions_of
from app.trust.audit import ActingToken, Actor
from app.trust.errors import (
    ConfigError,
    MalformedRequestError,
    PermissionDeniedError,
    ProofNeededError,
    UnauthenticatedError,
)

View = TypeVar("View", bound=Callable[..., object])
_MARK = "__vouchgate_access__"
_RECENT = "__vouchgate_recent_proof__"


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
        permissions: what it may do: those of the role, or fewer.
        account: the account's name, when a browser is signed in to one, or an API token is one's.
        token: the API token that was shown, if one was.
    """

    name: str
    role: str
    permissions: frozenset[Permission]
    account: str | None = None
    token: ActingToken | None = None


def access(rule: Rule) -> Callable[[View], View]:
    """Declare who may call a view."""

    def mark(view: View) -> View:
        setattr(view, _MARK, rule)
        return view

    return mark


def recently_authenticated(view: View) -> View:
    """Have a page ask for a proof of who calls it, when the last one is not recent.

    It stands beside ``@access``, on what a stolen or unattended session must not do: pages that
    ask for confirmation, and forms. A bearer token proves itself with each call.
    """
    setattr(view, _RECENT, True)
    return view


def asks_for_recent_proof(view: Callable[..., object]) -> bool:
    """Whether a view is marked with ``@recently_authenticated``."""
    return getattr(view, _RECENT, False)


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
    dangerous = {
        endpoint for endpoint, view in app.view_functions.items() if asks_for_recent_proof(view)
    }

    @app.before_request
    def enforce() -> None:
        if request.endpoint is None:
            return
        if _is_on_page():
            _refuse_other_sites()
        _enforce(by_endpoint[request.endpoint])
        if request.endpoint in dangerous and _is_on_page():
            _enforce_recent_proof()


def actor() -> Actor:
    """Who makes this request, for the audit log; only behind a permission."""
    caller: Caller = g.caller
    return Actor(caller.name, caller.role, request.remote_addr or "unknown", caller.token)


def require(permission: Rule) -> None:
    """Refuse a caller without a permission, where a view needs one beside that of its rule.

    Raises:
        PermissionDeniedError: it does not have it.
    """
    caller: Caller = g.caller
    if permission not in caller.permissions:
        who = f"the role {caller.role}" if caller.token is None else "this API token"
        roles = ", ".join(role for role in Role if permission in PERMISSIONS[role])
        raise PermissionDeniedError(
            f"{who} lacks the permission {permission}; roles that have it: {roles}"
        )


def _enforce(rule: Rule) -> None:
    if rule in (PUBLIC, GUEST):
        return
    caller, listed = _operator_of_session() if _is_on_page() else _operator_of_bearer()
    g.caller = caller
    if rule is SIGNED_IN:
        return
    require(rule)
    if not listed:
        raise PermissionDeniedError(
            f"the access list does not let the role {caller.role} {request.method} this path"
        )


def _is_on_page() -> bool:
    return request.blueprint in {"console", "login"}


def _refuse_other_sites() -> None:
    """Refuse a form that another site sent, as far as the browser tells (W3C Fetch Metadata).

    Every form has a token besides; this stands before it.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in {"GET", "HEAD"} and site not in {"same-origin", "none"}:
        raise MalformedRequestError("this form was sent from another site")


def _enforce_recent_proof() -> None:
    if not services().console_sessions.is_recent(current_user.session):
        raise ProofNeededError("this needs a recent proof of who you are")


def _operator_of_session() -> tuple[Caller, bool]:
    if not current_user.is_authenticated:
        raise UnauthenticatedError("sign in first")
    operator = current_user.operator
    permissions = permissions_of(operator.role)
    return Caller(operator.name, operator.role, permissions, account=operator.name), True


def _operator_of_bearer() -> tuple[Caller, bool]:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise UnauthenticatedError("this needs an operator's bearer token")
    credential = credential.strip()
    if is_api_token(credential):
        # What it may do stands with the token; the access list is about providers' roles.
        program = services().api_tokens.authenticate(credential)
        return Caller(
            program.name,
            program.role,
            program.permissions,
            account=program.account,
            token=program.token,
        ), True
    admins = services().admins
    identity = admins.authenticate(credential)
    listed = admins.allows(identity, request.method, request.path)
    return Caller(identity.name, identity.role, permissions_of(identity.role)), listed
