"""Roles and permissions as callers name them, and who makes tokens."""

from __future__ import annotations

from collections.abc import Sequence

from app.blueprints.gate import Caller, actor
from app.console.api_tokens import Maker
from app.console.permissions import Permission, Role
from app.trust.errors import MalformedRequestError, PermissionDeniedError


def role_of(text: str) -> Role:
    """The role of this name.

    Raises:
        MalformedRequestError: there is none.
    """
    try:
        return Role(text)
    except ValueError as error:
        raise MalformedRequestError(f"a role is one of {', '.join(Role)}") from error


def permissions_of(names: Sequence[object]) -> frozenset[Permission]:
    """The permissions of these names.

    Raises:
        MalformedRequestError: one of them is none.
    """
    try:
        return frozenset(Permission(str(name)) for name in names)
    except ValueError as error:
        raise MalformedRequestError("there is no such permission") from error


def maker(caller: Caller) -> Maker:
    """The caller as one who makes tokens.

    Raises:
        PermissionDeniedError: it is known by a token itself: a token that leaked must not make
            others that outlive it.
    """
    if caller.token is not None:
        raise PermissionDeniedError("an API token makes no API tokens")
    return Maker(actor(), caller.permissions, caller.account)
