"""Signing in: a password, a code where the account asks for one, and how often one may try."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.attempts import Attempt, Attempts
from app.console.devices import Devices
from app.console.operators import Operator, OperatorService
from app.console.second_factors import SecondFactors
from app.trust.audit import Actor, AuditEntry
from app.trust.errors import UnauthenticatedError

KINDS = (_PASSWORD, _CODE) = ("password", "code")
# A name that is no account's may be a password in the wrong field: it is written down nowhere.
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever shows something.

    Attributes:
        source: its network address.
        device_cookie: what it says about having signed in before; not verified.
    """

    source: str
    device_cookie: str | None = None


@dataclass(frozen=True, slots=True)
class SignIns:
    """Checks what operators show, no more often than is good.

    Attributes:
        second_factor_roles: operators of these roles must have a second factor.
    """

    operators: OperatorService
    second_factors: SecondFactors
    attempts: Attempts
    devices: Devices
    second_factor_roles: frozenset[str]

    def check_password(self, name: str, password: str, caller: Caller) -> Operator:
        """The account, when the password is its own.

        Raises:
            UnauthenticatedError: no such account, a disabled one, or another password.
            TooManyRequestsError: it was tried too often; nothing was looked at.
        """
        attempt = self._attempt(_PASSWORD, name, caller)
        nth = self.attempts.begin(attempt)
        try:
            operator = self.operators.verify_password(name, password)
        except UnauthenticatedError:
            self._note_failure(attempt, nth)
            raise
        self.attempts.succeeded(attempt)
        return operator

    def check_code(self, operator: Operator, code: str, caller: Caller) -> None:
        """Check the code of an account whose password was shown.

        Raises:
            UnauthenticatedError: the code is wrong, or has counted before.
            TooManyRequestsError: it was tried too often; nothing was looked at.
        """
        attempt = self._attempt(_CODE, operator.name, caller)
        nth = self.attempts.begin(attempt)
        actor = Actor(operator.name, operator.role, caller.source)
        try:
            self.second_factors.verify(operator.name, code, actor)
        except UnauthenticatedError:
            self._note_failure(attempt, nth)
            raise
        self.attempts.succeeded(attempt)

    def prove(self, operator: Operator, shown: str, caller: Caller) -> None:
        """Check what an operator that is signed in shows again: its code if it has a second factor.

        Raises:
            UnauthenticatedError, TooManyRequestsError: as when signing in.
        """
        if self.second_factors.is_on(operator.name):
            self.check_code(operator, shown, caller)
        else:
            self.check_password(operator.name, shown, caller)

    def lacks_second_factor(self, operator: Operator) -> bool:
        """Whether an operator has to set one up before anything else."""
        return operator.role in self.second_factor_roles and not self.second_factors.is_on(
            operator.name
        )

    def _attempt(self, kind: str, name: str, caller: Caller) -> Attempt:
        device = self.devices.recognise(caller.device_cookie, name)
        return Attempt(kind, name, caller.source, device)

    def _note_failure(self, attempt: Attempt, nth: int) -> None:
        if not self.attempts.is_recorded(nth):
            return
        service = self.operators
        subject = attempt.name if service.find(attempt.name) else _UNKNOWN
        actor = Actor("stranger", "none", attempt.source)
        with service.transactions():
            entry = AuditEntry(
                service.clock.now(), actor, "operators:sign-in:fail", subject, after=attempt.kind
            )
            service.audit.append(entry)
