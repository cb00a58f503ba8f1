"""Operators' accounts: who may sign in to the console, and as what."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.console.permissions import Role
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    OperatorNotFoundError,
    UnauthenticatedError,
)
from app.trust.transactions import Transactions

# NIST SP 800-63B, section 5.1.1.2, asks for at least 8 and no composition rules; an operator's
# account opens every secret, so it is more. The upper bound keeps hashing cheap to refuse.
PASSWORD_MIN_CHARACTERS = 12
PASSWORD_MAX_CHARACTERS = 256
_ONE_TIME_PASSWORD_BYTES = 15
# Names that begin so belong to people of the OpenID provider, and no local account has one.
EXTERNAL_PREFIX = "oidc:"


@dataclass(frozen=True, slots=True)
class Operator:
    """An account.

    Attributes:
        name: 1 to 64 characters, unique.
        password_hash: argon2id in the PHC string format.
        one_time: whether the password must be replaced at the next sign-in.
        epoch: raised when the password changes.
        disabled_at: since when nobody may sign in to it; ``None`` when it may be used.
        last_sign_in_at: ``None`` before the first.
    """

    name: str
    role: Role
    password_hash: str
    one_time: bool
    epoch: int
    created_at: datetime
    disabled_at: datetime | None = None
    last_sign_in_at: datetime | None = None

    @property
    def is_external(self) -> bool:
        """Whether the OpenID provider decides about it: it has no password, and no role of ours."""
        return self.name.startswith(EXTERNAL_PREFIX)


def checked_name(name: str) -> str:
    """A name that a local account can have.

    Raises:
        MalformedRequestError: it is empty, longer than 64 characters, unprintable or a provider's.
    """
    if not name.isprintable() or not 1 <= len(name) <= 64:
        raise MalformedRequestError("an operator's name has 1 to 64 printable characters")
    if name.startswith(EXTERNAL_PREFIX):
        raise MalformedRequestError(f"names that begin with {EXTERNAL_PREFIX} are the provider's")
    return name


def checked_password(password: str) -> str:
    """A password that an operator can choose.

    Raises:
        MalformedRequestError: it is too short or too long.
    """
    if not PASSWORD_MIN_CHARACTERS <= len(password) <= PASSWORD_MAX_CHARACTERS:
        raise MalformedRequestError(
            f"a password has {PASSWORD_MIN_CHARACTERS} to {PASSWORD_MAX_CHARACTERS} characters"
        )
    return password


class OperatorStore(Protocol):
    """Where accounts live."""

    def find(self, name: str) -> Operator | None:
        """The account of this name."""
        ...

    def add(self, operator: Operator) -> None:
        """Add an account, inside the caller's transaction.

        Raises:
            ConflictError: the name is taken.
        """
        ...

    def lock(self) -> None:
        """Let no other transaction change accounts until the caller's is over."""
        ...

    def replace(self, operator: Operator) -> None:
        """Replace what is stored for this name, inside the caller's transaction."""
        ...

    def note_sign_in(self, name: str, at: datetime) -> None:
        """Write down when someone last signed in to it, inside the caller's transaction."""
        ...

    def all(self) -> list[Operator]:
        """Every account, by name."""
        ...

    def has_owner(self) -> bool:
        """Whether any account has the role owner, disabled ones included."""
        ...

    def page(self, *, after: str | None, limit: int) -> list[Operator]:
        """Accounts by name, those with a name above ``after``."""
        ...


@dataclass(frozen=True, slots=True)
class OperatorService:
    """Creates accounts, signs operators in, changes passwords.

    Attributes:
        decoy_hash: gives a hash of no one's password, made once; it is verified for names that do
            not exist, so that the time of an answer does not tell which names do.
        end_sessions: drops every console session of an account, inside the caller's transaction.
        forgive: forgets what was counted against an account's name, inside the same.
    """

    operators: OperatorStore
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    hasher: PasswordHasher
    decoy_hash: Callable[[], str]
    end_sessions: Callable[[str], object]
    forgive: Callable[[str], object]

    def create(self, name: str, role: Role, by: Actor) -> str:
        """Add an account with a one-time password, and return that password.

        Raises:
            MalformedRequestError: the name is empty, longer than 64 characters, or a provider's.
            ConflictError: the name is taken.
        """
        checked_name(name)
        password = secrets.token_urlsafe(_ONE_TIME_PASSWORD_BYTES)
        now = self.clock.now()
        operator = Operator(
            name, role, self.hasher.hash(password), one_time=True, epoch=1, created_at=now
        )
        with self.transactions():
            self.operators.add(operator)
            self.audit.append(AuditEntry(now, by, "operators:account:create", name, after=role))
        return password

    def reset(self, name: str, by: Actor) -> str:
        """Give an account a new one-time password, end its sessions, and return the password.

        Raises:
            OperatorNotFoundError: there is no such account.
        """
        password = secrets.token_urlsafe(_ONE_TIME_PASSWORD_BYTES)
        self._replace_password(name, password, by, one_time=True)
        return password

    def verify_password(self, name: str, password: str) -> Operator:
        """The account, when the password is its own.

        Raises:
            UnauthenticatedError: no such account, a disabled one, or another password; it does not
                say which, and takes the same time for all.
        """
        operator = self.operators.find(name)
        # Accounts of the provider's have no hash, and must not answer faster for that.
        stored = (operator.password_hash if operator else "") or self.decoy_hash()
        try:
            self.hasher.verify(stored, password[: PASSWORD_MAX_CHARACTERS + 1])
        except (VerificationError, InvalidHashError) as error:
            raise UnauthenticatedError("the name or the password is wrong") from error
        if operator is None or operator.disabled_at is not None:
            raise UnauthenticatedError("the name or the password is wrong")
        return operator

    def change_password(self, operator: Operator, password: str, by: Actor) -> Operator:
        """Replace the password; every session of the account ends.

        Raises:
            MalformedRequestError: the new password is too short or too long.
        """
        return self._replace_password(operator.name, checked_password(password), by, one_time=False)

    def change_role(self, name: str, role: Role, by: Actor) -> Operator:
        """Give an account another role; its sessions end, so it counts from the next sign-in on.

        Raises:
            OperatorNotFoundError: there is no such account.
            ConflictError: it is the last owner's, or the identity provider decides about it.
        """
        with self.transactions():
            operator = self._get_to_change(name)
            _check_local(operator)
            changed = replace(operator, role=role)
            self.operators.replace(changed)
            self._keep_an_owner(operator)
            self.end_sessions(name)
            entry = AuditEntry(
                self.clock.now(), by, "operators:role:change", name, operator.role, role
            )
            self.audit.append(entry)
        return changed

    def disable(self, name: str, by: Actor) -> None:
        """Let nobody sign in to an account, and end its sessions.

        Raises:
            OperatorNotFoundError: there is no such account.
            ConflictError: it is the last owner's.
        """
        with self.transactions():
            operator = self._get_to_change(name)
            now = self.clock.now()
            self.operators.replace(replace(operator, disabled_at=operator.disabled_at or now))
            self._keep_an_owner(operator)
            self.end_sessions(name)
            self.audit.append(AuditEntry(now, by, "operators:account:disable", name))

    def enable(self, name: str, by: Actor) -> None:
        """Let an account be used again.

        Raises:
            OperatorNotFoundError: there is no such account.
        """
        with self.transactions():
            self.operators.replace(replace(self._get_to_change(name), disabled_at=None))
            entry = AuditEntry(self.clock.now(), by, "operators:account:enable", name)
            self.audit.append(entry)

    def find(self, name: str) -> Operator | None:
        """The account of this name."""
        return self.operators.find(name)

    def all(self) -> list[Operator]:
        """Every account, by name."""
        return self.operators.all()

    def page(self, *, after: str | None = None, limit: int = 100) -> list[Operator]:
        """Accounts by name, those with a name above ``after``."""
        return self.operators.page(after=after, limit=limit)

    def _get_to_change(self, name: str) -> Operator:
        self.operators.lock()
        operator = self.operators.find(name)
        if operator is None:
            raise OperatorNotFoundError("there is no operator of this name")
        return operator

    def _keep_an_owner(self, changed: Operator) -> None:
        """Refuse a change that took the last owner away.

        The provider may take an owner of its own away at any time, so one has to be local.
        """
        if _owns(changed) and not any(_owns(each) for each in self.all()):
            raise ConflictError("someone has to be owner: make another operator owner first")

    def _replace_password(self, name: str, password: str, by: Actor, *, one_time: bool) -> Operator:
        password_hash = self.hasher.hash(password)
        with self.transactions():
            operator = self._get_to_change(name)
            _check_local(operator)
            changed = replace(
                operator,
                password_hash=password_hash,
                one_time=one_time,
                epoch=operator.epoch + 1,
            )
            self.operators.replace(changed)
            self.end_sessions(name)
            self.forgive(name)
            entry = AuditEntry(self.clock.now(), by, "operators:password:change", name)
            self.audit.append(entry)
        return changed


def _check_local(operator: Operator) -> None:
    if operator.is_external:
        raise ConflictError("the identity provider decides about this account")


def _owns(operator: Operator) -> bool:
    is_owner = operator.role is Role.OWNER and operator.disabled_at is None
    return is_owner and not operator.is_external
