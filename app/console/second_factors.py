"""One-time passwords by time as a second factor (RFC 6238), and codes for when the phone is lost.

The shared secret rests sealed. A code counts once: the step of time that it stands for is written
down with it, and no code of that step or of one before it counts again (RFC 6238, section 5.2).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import pyotp

from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import ConflictError, MalformedRequestError, UnauthenticatedError
from app.trust.sealing import Sealer
from app.trust.tickets import (
    ExpiredTicketError,
    TicketKeys,
    UnknownTicketError,
    issue_ticket,
    open_ticket,
)
from app.trust.transactions import Transactions

STEP = timedelta(seconds=30)
# Clocks of phones are a little off: one step to either side (RFC 6238, section 6).
_STEPS_EITHER_SIDE = 1
_DIGITS = 6
_SECRET_BYTES = 20
_RECOVERY_CODES = 10
_RECOVERY_CODE_BYTES = 10
_RECOVERY_GROUP = 5
_OFFER_LIFETIME = timedelta(minutes=15)
_OFFER = b"console second factor"
_ISSUER = "Vouchgate"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What an account shares with its operator's phone.

    Attributes:
        sealed_secret: 20 bytes, sealed with associated data ``second-factor/<name>``.
        last_step: steps of 30 seconds since 1970; codes of this one and before have counted.
    """

    operator: str
    sealed_secret: bytes
    last_step: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret that is not in force before a code shows that the phone has it.

    Attributes:
        secret: base32, for typing.
        uri: ``otpauth:`` with the same, for a QR code.
        ticket: what comes back with the code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    ticket: str = field(repr=False)


class SecondFactorStore(Protocol):
    """Where second factors live."""

    def find(self, operator: str) -> SecondFactor | None:
        """The second factor of an account."""
        ...

    def all(self) -> list[SecondFactor]:
        """Those of all accounts, by name."""
        ...

    def among(self, operators: Collection[str]) -> frozenset[str]:
        """Those of these accounts that have one."""
        ...

    def put(self, factor: SecondFactor, recovery_codes: list[str]) -> None:
        """Set it with the digests of its recovery codes, inside the caller's transaction.

        Raises:
            ConflictError: the account has one already.
        """
        ...

    def replace_sealed(self, operator: str, sealed_secret: bytes) -> None:
        """Replace the sealed secret, inside the caller's transaction."""
        ...

    def advance(self, operator: str, step: int) -> bool:
        """Note a step, inside the caller's transaction; false when it is not beyond the last."""
        ...

    def spend_recovery_code(self, operator: str, digest: str) -> bool:
        """Drop a recovery code, inside the caller's transaction; whether there was one."""
        ...

    def recovery_codes_left(self, operator: str) -> int:
        """How many recovery codes an account has."""
        ...

    def remove(self, operator: str) -> bool:
        """Drop it and its codes, inside the caller's transaction; whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """Sets up, checks and takes away second factors."""

    store: SecondFactorStore
    sealer: Sealer
    keys: Callable[[], TicketKeys]
    audit: AuditLog
    transactions: Transactions
    clock: Clock

    def is_on(self, operator: str) -> bool:
        """Whether an account asks for a code besides the password."""
        return self.store.find(operator) is not None

    def among(self, operators: Collection[str]) -> frozenset[str]:
        """Those of these accounts that have one."""
        return self.store.among(operators)

    def recovery_codes_left(self, operator: str) -> int:
        """How many recovery codes an account has."""
        return self.store.recovery_codes_left(operator)

    def offer(self, operator: str) -> Offer:
        """A fresh secret for the phone; nothing is written down."""
        raw = secrets.token_bytes(_SECRET_BYTES)
        payload = raw + operator.encode()
        ticket = issue_ticket(self.keys(), _OFFER, payload, self.clock.now() + _OFFER_LIFETIME)
        return self._offer(operator, raw, base64.urlsafe_b64encode(ticket).decode())

    def offered(self, operator: str, ticket: str) -> Offer:
        """The offer that a ticket stands for.

        Raises:
            MalformedRequestError: the ticket was not made for this account, or its time is over.
        """
        return self._offer(operator, self._opened(operator, ticket), ticket)

    def accept(self, operator: str, ticket: str, code: str, by: Actor) -> list[str]:
        """Put an offer in force, and return the recovery codes.

        Raises:
            MalformedRequestError: the ticket was not made for this account, or its time is over.
            UnauthenticatedError: the code is not of this secret and this minute.
            ConflictError: the account has a second factor already.
        """
        raw = self._opened(operator, ticket)
        step = self._matching_step(raw, code)
        if step is None:
            raise UnauthenticatedError("the code is wrong")
        codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
        now = self.clock.now()
        sealed = self.sealer.seal(raw, _associated(operator))
        with self.transactions():
            factor = SecondFactor(operator, sealed, step, now)
            self.store.put(factor, [_digest(operator, each) for each in codes])
            self.audit.append(AuditEntry(now, by, "operators:second-factor:set", operator))
        return codes

    def verify(self, operator: str, unverified_code: str, by: Actor) -> None:
        """Check a code of the phone, or spend a recovery code.

        Raises:
            UnauthenticatedError: it is wrong, or has counted before.
        """
        factor = self.store.find(operator)
        code = "".join(unverified_code.split()).replace("-", "").lower()
        if factor is None:
            raise UnauthenticatedError("the code is wrong")
        if len(code) > _DIGITS:
            self._spend(operator, code, by)
            return
        step = self._matching_step(
            self.sealer.open(factor.sealed_secret, _associated(operator)), code
        )
        with self.transactions():
            if step is None or not self.store.advance(operator, step):
                raise UnauthenticatedError("the code is wrong")

    def remove(self, operator: str, by: Actor) -> None:
        """Take it away, with its recovery codes.

        Raises:
            ConflictError: the account has none.
        """
        with self.transactions():
            if not self.store.remove(operator):
                raise ConflictError(f"{operator} has no second factor")
            entry = AuditEntry(self.clock.now(), by, "operators:second-factor:remove", operator)
            self.audit.append(entry)

    def rewrap(self) -> int:
        """Wrap every data key under the first key-encryption key; how many there were."""
        factors = self.store.all()
        for factor in factors:
            with self.transactions():
                rewrapped = self.sealer.rewrap(factor.sealed_secret)
                self.store.replace_sealed(factor.operator, rewrapped)
        return len(factors)

    def _offer(self, operator: str, raw: bytes, ticket: str) -> Offer:
        secret = base64.b32encode(raw).decode()
        uri = pyotp.TOTP(secret).provisioning_uri(name=operator, issuer_name=_ISSUER)
        return Offer(secret, uri, ticket)

    def _opened(self, operator: str, unverified_ticket: str) -> bytes:
        try:
            ticket = base64.b64decode(unverified_ticket, altchars=b"-_", validate=True)
            payload = open_ticket(self.keys(), _OFFER, ticket, self.clock.now())
        except (UnknownTicketError, ExpiredTicketError, binascii.Error, ValueError) as error:
            raise MalformedRequestError("the offer is over; begin again") from error
        if payload[_SECRET_BYTES:] != operator.encode():
            raise MalformedRequestError("the offer is over; begin again")
        return payload[:_SECRET_BYTES]

    def _matching_step(self, raw: bytes, code: str) -> int | None:
        """The step of time that a code is of; every candidate is compared, in constant time."""
        generator = pyotp.TOTP(base64.b32encode(raw).decode())
        current = _step(self.clock.now())
        found = None
        for step in range(current - _STEPS_EITHER_SIDE, current + _STEPS_EITHER_SIDE + 1):
            expected = generator.generate_otp(step)
            if hmac.compare_digest(expected.encode(), code.encode()):
                found = step
        return found

    def _spend(self, operator: str, code: str, by: Actor) -> None:
        with self.transactions():
            if not self.store.spend_recovery_code(operator, _digest(operator, code)):
                raise UnauthenticatedError("the code is wrong")
            entry = AuditEntry(self.clock.now(), by, "operators:recovery-code:spend", operator)
            self.audit.append(entry)


def _step(now: datetime) -> int:
    return int(now.timestamp()) // int(STEP.total_seconds())


def _recovery_code() -> str:
    """80 random bits as four groups of five hex digits."""
    digits = secrets.token_hex(_RECOVERY_CODE_BYTES)
    return "-".join(
        digits[start : start + _RECOVERY_GROUP] for start in range(0, len(digits), _RECOVERY_GROUP)
    )


def _digest(operator: str, code: str) -> str:
    return hashlib.sha256(f"{operator}/{code.replace('-', '')}".encode()).hexdigest()


def _associated(operator: str) -> bytes:
    return f"second-factor/{operator}".encode()
