"""Reference values: what claims are compared with, by name, with an expiry that is obeyed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.attestation.reference_value_form import check_form, is_name
from app.attestation.reference_value_lookup import HeldValues, RecordingLookup
from app.attestation.reference_value_messages import MessageReader, Provenance, ReadMessage
from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    MalformedReferenceValueError,
    ReferenceValueNotFoundError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.revisions import RevisionStore
from app.trust.transactions import Transactions
from guest.wire.canonical import canonical_json

# As upstream's: twelve months (wire.md, section 11.2).
DEFAULT_LIFETIME = timedelta(days=365)
# Time enough to measure a new image and to have its values approved.
_EXPIRES_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """One named value.

    Attributes:
        name: an opaque, case-sensitive text of 1 to 512 characters without control characters;
            ``snp_launch_measurement`` and ``rvps:///vendor/firmware:v2`` are names.
        value: any JSON; policies usually expect a list.
        expires_at: from then on the value does not exist for policies.
        source: how it came, for people: ``console``, ``in-toto, signed by ci``.
        provenance: the message that it came in; ``None`` when it came in none.
    """

    name: str
    value: JSONValue
    expires_at: datetime
    registered_at: datetime
    source: str
    provenance: Provenance | None = None


class ExpiryState(StrEnum):
    """Where a value is in its life."""

    ACTIVE = "active"
    # Within 30 days it will not exist for policies any more.
    EXPIRING = "expiring"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RegisteredValue:
    """One entry in the history of a name.

    Attributes:
        number: of the entry; later ones are greater.
        active: whether it is the value of the name, expired or not.
        withdrawn_at: when it was taken away; ``None`` when it was replaced or is active.
    """

    number: int
    value: ReferenceValue
    registered_by: str
    active: bool
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None


@dataclass(frozen=True, slots=True)
class DraftReferenceValue:
    """A value before it is registered.

    Attributes:
        expires_at: ``None`` for the usual lifetime.
        provenance: the message that it came in; ``None`` when it came in none.
    """

    name: str
    value: JSONValue
    expires_at: datetime | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class ExpiryRange:
    """Values that expire after one moment, and at another or before; ``None`` is no bound."""

    after: datetime | None = None
    until: datetime | None = None


ANY_EXPIRY = ExpiryRange()


class ReferenceValueStore(Protocol):
    """Where reference values live."""

    def find(self, name: str) -> ReferenceValue | None:
        """The newest value of this name, expired or not."""
        ...

    def put(self, values: list[ReferenceValue], by: str) -> None:
        """Store all of them, replacing what had the same name; history is kept.

        Raises the ``reference_values`` revision.
        """
        ...

    def withdraw(self, name: str, at: datetime, by: str) -> bool:
        """Take a value away; whether there was one. Raises the ``reference_values`` revision."""
        ...

    def find_all(self, names: Sequence[str]) -> dict[str, ReferenceValue]:
        """The newest value of each of these names that has one, expired or not."""
        ...

    def history(self, name: str, *, before: int | None, limit: int) -> list[RegisteredValue]:
        """Everything that was ever registered under a name, newest first.

        Args:
            name: of the value.
            before: only entries with a number below this one.
            limit: at most this many.
        """
        ...

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        containing: str | None = None,
        expiry: ExpiryRange = ANY_EXPIRY,
    ) -> list[ReferenceValue]:
        """Values by name, from the first name after ``after``.

        Args:
            after: a name, or ``None`` to begin with the first.
            limit: at most this many.
            containing: only names with this text somewhere, whatever the case of ASCII letters.
            expiry: only values that expire then.
        """
        ...

    def expiring(self, since: datetime, limit: int) -> list[ReferenceValue]:
        """Values that expire at a moment or later, the first to expire first."""
        ...


class ReferenceValues:
    """Registers, shows and finds reference values (the RVPS; wire.md, section 11)."""

    def __init__(  # noqa: PLR0913  (collaborators, by name)
        self,
        *,
        store: ReferenceValueStore,
        messages: MessageReader,
        revisions: RevisionStore,
        transactions: Transactions,
        audit: AuditLog,
        clock: Clock,
        rule: ChangeRule,
        lifetime: timedelta = DEFAULT_LIFETIME,
    ) -> None:
        """Take the collaborators.

        Args:
            store: where values live.
            messages: reads those that are enabled.
            revisions: says when values changed.
            transactions: opens the transactions of changes.
            audit: where changes are written down.
            clock: tells the time.
            rule: whether one person may change values alone.
            lifetime: of a value whose message gives none.
        """
        self._store = store
        self._messages = messages
        self._revisions = revisions
        self._transactions = transactions
        self._audit = audit
        self._clock = clock
        self._rule = rule
        self._lifetime = lifetime
        self._held = HeldValues(store.find)

    def register(self, message: JSONObject, actor: Actor) -> list[ReferenceValue]:
        """Read a message and store its values, all or none.

        Args:
            message: see ``reference_value_messages``.
            actor: who registers.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            DomainError: as ``read``.
        """
        self._rule.require(actor, None)
        read = self.read(message)
        return self.add(drafts_of(read), str(read.provenance), actor)

    def read(self, message: JSONObject) -> ReadMessage:
        """The values in a message, each of which could be registered; nothing is written.

        Raises:
            MalformedReferenceValueError: another version, an unknown type, a payload that the type
                does not read, a name or value of the wrong form, no value at all.
            UntrustedSignerError: it is signed by nobody who is trusted.
            SignerOutOfScopeError: a name is not its signer's to give.
            UnverifiedError: a signature or a certificate does not hold.
        """
        return self._messages.read(message)

    def get(self, name: str) -> ReferenceValue:
        """The value of a name.

        Raises:
            ReferenceValueNotFoundError: there is none, or it has expired.
        """
        value = self._find(name)
        if value is None or value.expires_at <= self._clock.now():
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        return value

    def add(
        self, drafts: Sequence[DraftReferenceValue], source: str, actor: Actor
    ) -> list[ReferenceValue]:
        """Store values that an operator gives one by one, all or none.

        Args:
            drafts: the values; of several of one name the last counts.
            source: how they came, for whoever reads them later, unless they came in a message.
            actor: who adds them.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            DomainError: as ``check``.
        """
        self._rule.require(actor, None)
        values = self.check(drafts, source)
        with self._transactions():
            self.install(values, actor)
        return values

    def check(self, drafts: Sequence[DraftReferenceValue], source: str) -> list[ReferenceValue]:
        """The values as they would be stored.

        Raises:
            MalformedReferenceValueError: a name or value of the wrong form, an expiry that has
                passed, no value at all.
            UntrustedSignerError, SignerOutOfScopeError: whoever signed the message that a value
                came in may not sign for it any more.
        """
        check_form({draft.name: draft.value for draft in drafts})
        for draft in drafts:
            self._messages.require_signer(draft.name, draft.provenance)
        now = self._clock.now()
        values = [
            ReferenceValue(
                name=draft.name,
                value=draft.value,
                expires_at=draft.expires_at or now + self._lifetime,
                registered_at=now,
                source=str(draft.provenance or source),
                provenance=draft.provenance,
            )
            for draft in drafts
        ]
        if any(value.expires_at <= now for value in values):
            raise MalformedReferenceValueError("a value that has expired already has no effect")
        return values

    def install(
        self, values: list[ReferenceValue], actor: Actor, approval: Approval | None = None
    ) -> None:
        """Store checked values, inside the caller's transaction.

        Raises:
            NeedsApprovalError: the two-person rule is on, and there is no approval.
        """
        self._rule.require(actor, approval)
        self._store.put(values, approval.author if approval else actor.name)
        entry = _registered(values, actor)
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)

    def find(self, name: str) -> ReferenceValue | None:
        """The value of a name, expired or not."""
        return self._find(name)

    def find_all(self, names: Sequence[str]) -> dict[str, ReferenceValue]:
        """The newest value of each of these names that has one, expired or not."""
        return self._store.find_all([name for name in names if is_name(name)])

    def history(self, name: str, *, before: int | None, limit: int) -> list[RegisteredValue]:
        """Everything that was ever registered under a name; see ``ReferenceValueStore.history``."""
        if not is_name(name):
            return []
        return self._store.history(name, before=before, limit=limit)

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        containing: str | None = None,
        state: ExpiryState | None = None,
    ) -> list[ReferenceValue]:
        """Values by name, expired ones too; see ``ReferenceValueStore.page``."""
        now = self._clock.now()
        expiry = {
            None: ANY_EXPIRY,
            ExpiryState.ACTIVE: ExpiryRange(after=now + _EXPIRES_SOON),
            ExpiryState.EXPIRING: ExpiryRange(after=now, until=now + _EXPIRES_SOON),
            ExpiryState.EXPIRED: ExpiryRange(until=now),
        }[state]
        return self._store.page(after=after, limit=limit, containing=containing, expiry=expiry)

    def expiring(self, since: datetime, limit: int) -> list[ReferenceValue]:
        """Values that expire at a moment or later, the first to expire first."""
        return self._store.expiring(since, limit)

    def state_of(self, value: ReferenceValue) -> ExpiryState:
        """Where a value is in its life now."""
        left = value.expires_at - self._clock.now()
        if left <= timedelta(0):
            return ExpiryState.EXPIRED
        return ExpiryState.EXPIRING if left <= _EXPIRES_SOON else ExpiryState.ACTIVE

    def withdraw(self, name: str, actor: Actor) -> None:
        """Take a value away from policies.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            ReferenceValueNotFoundError: there is none.
        """
        self._rule.require(actor, None)
        with self._transactions():
            self.remove(name, actor)

    def remove(self, name: str, actor: Actor, approval: Approval | None = None) -> None:
        """Take a value away from policies, inside the caller's transaction.

        Raises:
            NeedsApprovalError: the two-person rule is on, and there is no approval.
            ReferenceValueNotFoundError: there is none.
        """
        self._rule.require(actor, approval)
        now, by = self._clock.now(), approval.author if approval else actor.name
        if not is_name(name) or not self._store.withdraw(name, now, by):
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        entry = AuditEntry(now, actor, "reference-value:withdraw", name)
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)

    def lookup(self, revision: int, now: datetime) -> RecordingLookup:
        """What policies ask, as of a revision of ``reference_values`` and a moment."""
        held = self._held.at(revision, now)
        return RecordingLookup(lambda name: held(name) if is_name(name) else None)

    def _find(self, name: str) -> ReferenceValue | None:
        return self._store.find(name) if is_name(name) else None


def drafts_of(message: ReadMessage) -> list[DraftReferenceValue]:
    """The values of a message, with the message that they came in."""
    return [
        DraftReferenceValue(name, value, provenance=message.provenance)
        for name, value in message.values.items()
    ]


def _registered(values: list[ReferenceValue], actor: Actor) -> AuditEntry:
    others = f" and {len(values) - 1} more" if len(values) > 1 else ""
    content = canonical_json({value.name: value.value for value in values})
    return AuditEntry(
        at=values[0].registered_at,
        actor=actor,
        action="reference-value:register",
        subject=values[0].name + others,
        after=hashlib.sha256(content).hexdigest(),
    )
