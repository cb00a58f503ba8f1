"""Reference values: what claims are compared with, by name, with an expiry that is obeyed."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import Signer, TrustedSigners
from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    MalformedReferenceValueError,
    ReferenceValueNotFoundError,
    SignerOutOfScopeError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.revisions import RevisionStore
from app.trust.transactions import Transactions
from guest.wire.canonical import canonical_json
from guest.wire.errors import WireError

MESSAGE_VERSION = "0.1.0"
MAX_NAME_LENGTH = 512
# A vendor's whole catalogue of firmware fits; a message beyond is a mistake.
MAX_VALUES = 10_000
# As upstream's: twelve months (wire.md, section 11.2).
DEFAULT_LIFETIME = timedelta(days=365)
_CACHED_VALUES = 10_000
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
        source: where it came from: ``sample``, an extractor's name, a signer.
    """

    name: str
    value: JSONValue
    expires_at: datetime
    registered_at: datetime
    source: str


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
    """

    name: str
    value: JSONValue
    expires_at: datetime | None = None


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
        extractors: Mapping[str, Extractor],
        revisions: RevisionStore,
        transactions: Transactions,
        audit: AuditLog,
        clock: Clock,
        rule: ChangeRule,
        signers: Sequence[Signer] = (),
        lifetime: timedelta = DEFAULT_LIFETIME,
    ) -> None:
        """Take the collaborators.

        Args:
            store: where values live.
            extractors: the enabled readers of messages, by type.
            revisions: says when values changed.
            transactions: opens the transactions of changes.
            audit: where changes are written down.
            clock: tells the time.
            rule: whether one person may change values alone.
            signers: whose signed messages are accepted.
            lifetime: of a value whose message gives none.
        """
        self._store = store
        self._extractors = extractors
        self._revisions = revisions
        self._transactions = transactions
        self._audit = audit
        self._clock = clock
        self._rule = rule
        self._signers = tuple(signers)
        self._lifetime = lifetime
        self._cache = _Cache(-1, {})

    def register(self, message: JSONObject, actor: Actor) -> list[ReferenceValue]:
        """Read a message and store its values, all or none.

        Args:
            message: ``{"version": "0.1.0", "type": …, "payload": …}``; the version may be missing.
            actor: who registers.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedReferenceValueError: another version, an unknown type, a payload that the type
                does not read, a name or value of the wrong form, no value at all.
        """
        self._rule.require(actor, None)
        source, values = self.read(message)
        return self.add([DraftReferenceValue(*each) for each in values.items()], source, actor)

    def read(self, message: JSONObject) -> tuple[str, dict[str, JSONValue]]:
        """The source of the values in a message, and these by name.

        The source is the type, and the signer where the type is signed: ``in-toto, signed by ci``.

        Raises:
            MalformedReferenceValueError: another version, an unknown type, a payload that the type
                does not read, a name or value of the wrong form, no value at all.
            UntrustedSignerError: it is signed by nobody who is trusted.
            SignerOutOfScopeError: a name is not its signer's to give.
            UnverifiedError: a signature or a certificate does not hold.
        """
        source, payload = _parse(message)
        extractor = self._extractors.get(source)
        if extractor is None:
            enabled = ", ".join(sorted(self._extractors)) or "none"
            raise MalformedReferenceValueError(f"this type of message is not among: {enabled}")
        extracted = extractor.extract(payload, TrustedSigners(self._signers, self._clock.now()))
        _check_values(extracted.values)
        return _told_source(source, extracted), dict(extracted.values)

    def get(self, name: str) -> ReferenceValue:
        """The value of a name.

        Raises:
            ReferenceValueNotFoundError: there is none, or it has expired.
        """
        value = self._store.find(name) if _is_name(name) else None
        if value is None or value.expires_at <= self._clock.now():
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        return value

    def add(
        self, drafts: Sequence[DraftReferenceValue], source: str, actor: Actor
    ) -> list[ReferenceValue]:
        """Store values that an operator gives one by one, all or none.

        Args:
            drafts: the values; of several of one name the last counts.
            source: how they came, for whoever reads them later.
            actor: who adds them.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedReferenceValueError: a name or value of the wrong form, an expiry that has
                passed, no value at all.
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
        """
        _check_values({draft.name: draft.value for draft in drafts})
        now = self._clock.now()
        values = [
            ReferenceValue(
                draft.name, draft.value, draft.expires_at or now + self._lifetime, now, source
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
        return self._store.find(name) if _is_name(name) else None

    def find_all(self, names: Sequence[str]) -> dict[str, ReferenceValue]:
        """The newest value of each of these names that has one, expired or not."""
        return self._store.find_all([name for name in names if _is_name(name)])

    def history(self, name: str, *, before: int | None, limit: int) -> list[RegisteredValue]:
        """Everything that was ever registered under a name; see ``ReferenceValueStore.history``."""
        if not _is_name(name):
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
        if not _is_name(name) or not self._store.withdraw(name, now, by):
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        entry = AuditEntry(now, actor, "reference-value:withdraw", name)
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)

    def lookup(self, revision: int, now: datetime) -> RecordingLookup:
        """What policies ask, as of a revision of ``reference_values`` and a moment."""
        cache = self._cache
        if cache.revision < revision:
            cache = self._cache = _Cache(revision, {})
        return RecordingLookup(lambda name: self._value(name, cache, now))

    def _value(self, name: str, cache: _Cache, now: datetime) -> JSONValue:
        held = cache.values.get(name)
        if held is None:
            if not _is_name(name):
                return None
            held = _Held(self._store.find(name))
            # Evidence may choose the names that a policy asks for, so the cache is bounded.
            if len(cache.values) >= _CACHED_VALUES:
                cache.values.clear()
            cache.values[name] = held
        found = held.value
        return None if found is None or found.expires_at <= now else found.value


class RecordingLookup:
    """Answers a policy, and remembers every answer for the decision record."""

    def __init__(self, find: Callable[[str], JSONValue]) -> None:
        """Take what finds the value of a name; ``None`` when there is none."""
        self._find = find
        self.read: JSONObject = {}

    def __call__(self, name: str) -> JSONValue:
        """The value of a name, the same throughout one appraisal."""
        if name not in self.read:
            self.read[name] = self._find(name)
        return self.read[name]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the store said of a name; ``None`` when it has no value."""

    value: ReferenceValue | None


@dataclass(frozen=True, slots=True)
class _Cache:
    """What the store said of each name as of one revision."""

    revision: int
    values: dict[str, _Held]


def _parse(message: JSONObject) -> tuple[str, str]:
    """Type and payload of a message."""
    if message.get("version", MESSAGE_VERSION) != MESSAGE_VERSION:
        raise MalformedReferenceValueError(f"the version of a message is {MESSAGE_VERSION}")
    source, payload = message.get("type"), message.get("payload")
    if not isinstance(source, str) or not isinstance(payload, str):
        raise MalformedReferenceValueError("a message has the texts 'type' and 'payload'")
    return source, payload


def _told_source(source: str, extracted: Extracted) -> str:
    """How values came, once it is known that their signer may give them."""
    signer = extracted.signer
    if signer is None:
        return source
    if not all(signer.may_name(name) for name in extracted.values):
        raise SignerOutOfScopeError("a value has a name that is not its signer's to give")
    return f"{source}, signed by {signer.name}"


def _check_values(extracted: Mapping[str, JSONValue]) -> None:
    if not 1 <= len(extracted) <= MAX_VALUES:
        raise MalformedReferenceValueError(f"a message holds 1 to {MAX_VALUES} values")
    for name, value in extracted.items():
        if not _is_name(name):
            raise MalformedReferenceValueError(
                f"a name has 1 to {MAX_NAME_LENGTH} characters and no control characters"
            )
        try:
            canonical_json(value)
        except WireError as error:
            raise MalformedReferenceValueError(
                "a value has no canonical JSON form: no number may be beyond 2^53"
            ) from error


def _is_name(name: str) -> bool:
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        return False
    # Categories Cc, Cs: control characters, and surrogates that no encoding has.
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)


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
