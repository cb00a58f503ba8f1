"""Signing in with an OpenID provider: which operator someone is there, and with which role.

An operator of the provider's is an account named ``oidc:<subject>``, a name that no local account
can have. Its role comes from a claim at each sign-in and is nothing that the console changes.
Who has no role there is refused, and so is who was disabled here.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from app.console.identity_provider import Request
from app.console.operators import EXTERNAL_PREFIX, Operator, OperatorStore
from app.console.permissions import Role
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import IdentityTokenError, SignInRefusedError
from app.trust.tickets import (
    ExpiredTicketError,
    TicketKeys,
    UnknownTicketError,
    issue_ticket,
    open_ticket,
)
from app.trust.transactions import Transactions

DEPARTURE_LIFETIME = timedelta(minutes=10)
_PURPOSE = b"console single sign-on"
_RANDOM_BYTES = 32
_MAX_SUBJECT_CHARACTERS = 255
_MAX_WANTED_CHARACTERS = 1024


class Provider(Protocol):
    """The OpenID provider (`identity_provider.py`)."""

    def address(self, request: Request) -> str:
        """Where to send the browser."""
        ...

    def claims(
        self, request: Request, answer: dict[str, str], asked_at: datetime
    ) -> dict[str, Any]:
        """The verified claims of whoever came back."""
        ...


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """Which role comes from which value of a claim; of several the first that fits.

    Attributes:
        claim: its name, with dots where it lies deeper: ``realm_access.roles``.
        roles: value and role, in order.
    """

    claim: str
    roles: tuple[tuple[str, Role], ...]

    def role(self, claims: dict[str, Any]) -> Role | None:
        """The role of whoever has these claims; ``None`` when it has none here."""
        held = _held(claims, self.claim)
        return next((role for value, role in self.roles if value in held), None)


@dataclass(frozen=True, slots=True)
class Departure:
    """A browser that is sent to the provider.

    Attributes:
        url: where to.
        ticket: what the browser keeps until it comes back.
    """

    url: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Again:
    """An operator who is signed in and has to show again who it is.

    Attributes:
        handle: of the session that the proof renews.
        form_token: what the forms of its open pages carry; they stay good.
    """

    name: str
    handle: str
    form_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Someone who came back and is known.

    Attributes:
        wanted: where in the console it was going.
        again: who was signed in before; ``None`` at a sign-in.
    """

    operator: Operator
    wanted: str
    again: Again | None


@dataclass(frozen=True, slots=True)
class SingleSignOn:
    """Sends operators to the provider, and knows them when they come back.

    Attributes:
        label: what the button says.
    """

    provider: Provider
    mapping: RoleMapping
    label: str
    keys: Callable[[], TicketKeys]
    operators: OperatorStore
    end_sessions: Callable[[str], object]
    audit: AuditLog
    transactions: Transactions
    clock: Clock

    def depart(self, wanted: str, *, again: Again | None = None) -> Departure:
        """Send a browser to the provider.

        Args:
            wanted: a path of the console to go on to.
            again: whoever has to show again who it is.

        Raises:
            IdentityProviderUnavailableError: the provider does not answer.
        """
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        request = Request(state, nonce, verifier, again=again is not None)
        now = self.clock.now()
        kept = {
            "request": asdict(request),
            "wanted": wanted if len(wanted) <= _MAX_WANTED_CHARACTERS else "",
            "again": asdict(again) if again else None,
            "at": int(now.timestamp()),
        }
        payload = json.dumps(kept).encode()
        ticket = issue_ticket(self.keys(), _PURPOSE, payload, now + DEPARTURE_LIFETIME)
        url = self.provider.address(request)
        return Departure(url, base64.urlsafe_b64encode(ticket).decode().rstrip("="))

    def arrive(self, unverified_ticket: str, answer: dict[str, str], source: str) -> Arrival:
        """Know whoever came back from the provider.

        Raises:
            SignInRefusedError: the provider refused, it gives no role here, or the account is
                disabled.
            IdentityTokenError: the answer does not belong to this browser, or is not genuine.
            IdentityProviderUnavailableError: the provider does not answer.
        """
        kept = self._opened(unverified_ticket)
        request = Request(**kept["request"])
        claims = self.provider.claims(request, answer, datetime.fromtimestamp(kept["at"], tz=UTC))
        name, role = _name(claims), self.mapping.role(claims)
        if role is None:
            raise SignInRefusedError("the identity provider gives you no role in this console")
        again = Again(**kept["again"]) if kept["again"] else None
        if again is not None and again.name != name:
            raise SignInRefusedError("you signed in as someone else than you are here")
        operator = self._account(name, role, source)
        return Arrival(operator, kept["wanted"], again)

    def _account(self, name: str, role: Role, source: str) -> Operator:
        now = self.clock.now()
        actor = Actor(name, role, source)
        with self.transactions():
            self.operators.lock()
            operator = self.operators.find(name)
            if operator is None:
                operator = Operator(name, role, "", one_time=False, epoch=1, created_at=now)
                self.operators.add(operator)
                entry = AuditEntry(now, actor, "operators:account:create", name, after=role)
                self.audit.append(entry)
            elif operator.disabled_at is not None:
                raise SignInRefusedError("your account is disabled in this console")
            elif operator.role is not role:
                entry = AuditEntry(now, actor, "operators:role:change", name, operator.role, role)
                operator = replace(operator, role=role)
                self.operators.replace(operator)
                self.end_sessions(name)
                self.audit.append(entry)
        return operator

    def _opened(self, unverified_ticket: str) -> dict[str, Any]:
        padded = unverified_ticket + "=" * (-len(unverified_ticket) % 4)
        try:
            ticket = base64.b64decode(padded, altchars=b"-_", validate=True)
            payload = open_ticket(self.keys(), _PURPOSE, ticket, self.clock.now())
        except (UnknownTicketError, ExpiredTicketError, binascii.Error, ValueError) as error:
            raise IdentityTokenError("the answer belongs to no sign-in of this browser") from error
        kept: dict[str, Any] = json.loads(payload)
        return kept


def _name(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if (
        not isinstance(subject, str)
        or not subject.isprintable()
        or not 1 <= len(subject) <= _MAX_SUBJECT_CHARACTERS
    ):
        raise IdentityTokenError("the ID token names no one")
    return EXTERNAL_PREFIX + subject


def _held(claims: dict[str, Any], path: str) -> frozenset[str]:
    """The texts that a claim holds: itself, or its members."""
    value: Any = claims
    for step in [path] if path in claims else path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    held = value if isinstance(value, list) else [value]
    return frozenset(each for each in held if isinstance(each, str))
