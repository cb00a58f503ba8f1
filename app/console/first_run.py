"""The first operator of an installation: a one-time code that is worth something only until then.

Whoever starts the server gets the code at its terminal, in a link whose fragment holds it: browsers
send no fragment, so neither a proxy nor a log sees it. Here only a digest rests; it expires, is
consumed once, and once there is an owner it opens nothing, whatever rests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.console.operators import Operator, OperatorService, checked_name, checked_password
from app.console.permissions import Role
from app.trust.audit import Actor, AuditEntry
from app.trust.errors import ConflictError, UnauthenticatedError

LIFETIME = timedelta(hours=1)
_CODE_BYTES = 32


@dataclass(frozen=True, slots=True)
class SetupCode:
    """The code that is out, if it is still good.

    Attributes:
        digest: SHA-256 of the code, hex.
    """

    digest: str
    expires_at: datetime


class SetupCodeStore(Protocol):
    """Where the one code lives that may be out."""

    def find(self) -> SetupCode | None:
        """The code."""
        ...

    def replace(self, code: SetupCode) -> None:
        """Make this the one code, inside the caller's transaction."""
        ...

    def clear(self) -> None:
        """Forget the code, inside the caller's transaction."""
        ...


@dataclass(frozen=True, slots=True)
class FirstRun:
    """Gives out the code, and makes the first operator for it."""

    codes: SetupCodeStore
    accounts: OperatorService

    def is_open(self) -> bool:
        """Whether there is no owner yet."""
        return not self.accounts.operators.has_owner()

    def issue(self, by: Actor) -> str:
        """A new code, 43 characters; the one before it opens nothing any more.

        Raises:
            ConflictError: there is an owner.
        """
        accounts = self.accounts
        now = accounts.clock.now()
        code = secrets.token_urlsafe(_CODE_BYTES)
        with accounts.transactions():
            self._check_open()
            self.codes.replace(SetupCode(_digest(code), now + LIFETIME))
            accounts.audit.append(AuditEntry(now, by, "operators:setup-code:issue", "setup"))
        return code

    def finish(self, unverified_code: str, name: str, password: str, source: str) -> Operator:
        """The first owner, with a password of its own choice.

        Raises:
            UnauthenticatedError: the code is wrong, was used, or its time is over.
            MalformedRequestError: the name or the password cannot be.
            ConflictError: there is an owner, or the name is taken.
        """
        accounts = self.accounts
        self._check_code(unverified_code)
        password_hash = accounts.hasher.hash(checked_password(password))
        now = accounts.clock.now()
        operator = Operator(
            checked_name(name), Role.OWNER, password_hash, one_time=False, epoch=1, created_at=now
        )
        actor = Actor(operator.name, Role.OWNER, source)
        with accounts.transactions():
            self._check_open()
            # Again, because of two who came with one code the lock lets in one after the other.
            self._check_code(unverified_code)
            self.codes.clear()
            accounts.operators.add(operator)
            entry = AuditEntry(now, actor, "operators:account:set-up", name, after=Role.OWNER)
            accounts.audit.append(entry)
        return operator

    def _check_open(self) -> None:
        self.accounts.operators.lock()
        if not self.is_open():
            raise ConflictError("this installation has an owner; it signs in")

    def _check_code(self, unverified_code: str) -> None:
        stored = self.codes.find()
        genuine = stored is not None and hmac.compare_digest(
            stored.digest, _digest(unverified_code.strip())
        )
        if stored is None or not genuine or self.accounts.clock.now() >= stored.expires_at:
            raise UnauthenticatedError("the setup code is wrong, was used, or its time is over")


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
