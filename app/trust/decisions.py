"""Decision records: every appraisal and every release, allowed or denied, in a form that replays.

Explanation, dry run, replay, audit and transparency are views of this one record. It never holds a
secret, a private key, a token, a session id or a nonce: nonces are replaced by their digest before
the record is made (``redact``).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.trust.json_types import JSONObject, JSONValue

# Claims that carry freshness values; what is recorded is the digest of each.
_NONCE_CLAIMS = frozenset({"nonce", "eat_nonce"})


class DecisionKind(StrEnum):
    """What was decided."""

    APPRAISAL = "appraisal"
    RELEASE = "release"


class Outcome(StrEnum):
    """How it was decided."""

    ALLOWED = "allowed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision with all that is needed to make it again.

    Attributes:
        decision_id: 32 lower-case hex digits; the first 12 are milliseconds since 1970, so ids sort
            by time.
        kind: appraisal or release.
        at: when it was made, UTC.
        outcome: allowed or denied. An appraisal is allowed when a token was signed.
        reason: a reason code of ``app/trust/errors.py``, or for allowed decisions the appraisal's
            status (``affirming``, ``warning``, ``contraindicated``, ``none``) or
            ``policy-allowed``.
        tee: wire name of the primary TEE, when known.
        subject: what it was about: the policy id of an appraisal, the path of a release.
        policy_digest: SHA-256, hex, of the policy text (of the sorted list of ``id digest`` lines
            when several policies took part); ``None`` when no policy was reached.
        reference_values_digest: SHA-256, hex, over the canonical JSON of the values that were read.
        token_id: the ``jti`` of the token that was made or presented.
        issuer: the ``iss`` of that token.
        latency_us: microseconds from the use case's start to the decision.
        inputs: what the policy saw: claims, data, reference values, policies by digest.
        result: what came out.
        measurement: the launch measurement of the guest (``app/trust/measurements.py``), once
            evidence was verified.
    """

    decision_id: str
    kind: DecisionKind
    at: datetime
    outcome: Outcome
    reason: str
    tee: str | None
    subject: str
    policy_digest: str | None = None
    reference_values_digest: str | None = None
    token_id: str | None = None
    issuer: str | None = None
    latency_us: int = 0
    inputs: JSONObject = field(default_factory=dict)
    result: JSONObject = field(default_factory=dict)
    measurement: str | None = None


class DecisionStore(Protocol):
    """Where decision records live; they are only ever added."""

    def add(self, record: DecisionRecord) -> None:
        """Append a record, inside the caller's transaction."""
        ...

    def find(self, decision_id: str) -> DecisionRecord | None:
        """The record of this id."""
        ...

    def page(self, query: DecisionQuery) -> list[DecisionRecord]:
        """Records, newest first, without ``inputs`` and ``result`` (both empty)."""
        ...

    def whole_page(self, query: DecisionQuery) -> list[DecisionRecord]:
        """Records, newest first, with everything that they were decided on."""
        ...

    def how_many(self, kind: DecisionKind | None, *, most: int) -> int:
        """How many records of a kind, or of any, there are; counted no further than ``most``."""
        ...


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """Which decisions to list; ``None`` means any.

    Attributes:
        policy_digest: of the policy that judged or decided.
        prefix: what ids begin with.
        since: made then or later, UTC, to the millisecond.
        until: made before then.
        before: only records whose id sorts before this one (keyset paging).
        limit: at most this many, 1 to 500.
    """

    kind: DecisionKind | None = None
    outcome: Outcome | None = None
    tee: str | None = None
    reason: str | None = None
    subject: str | None = None
    token_id: str | None = None
    measurement: str | None = None
    policy_digest: str | None = None
    prefix: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: str | None = None
    limit: int = 50

    def id_range(self) -> tuple[str, str]:
        """The ids that prefix, times and paging leave: from the first, up to before the second.

        Ids sort by time, and every character of an id sorts before ``g``.
        """
        firsts, ends = [""], ["g"]
        if self.prefix is not None:
            firsts.append(self.prefix)
            ends.append(f"{self.prefix}g")
        if self.since is not None:
            firsts.append(first_decision_id(self.since))
        if self.until is not None:
            ends.append(first_decision_id(self.until))
        if self.before is not None:
            ends.append(self.before)
        return max(firsts), min(ends)


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How many decisions of one sort a span of time had.

    Attributes:
        begins_at: when it began, UTC.
    """

    begins_at: datetime
    kind: DecisionKind
    outcome: Outcome
    reason: str
    tee: str | None
    count: int


def new_decision_id(at: datetime) -> str:
    """A fresh id: 48 bits of time and 80 of chance, 32 hex digits."""
    return f"{first_decision_id(at)}{secrets.token_hex(10)}"


def first_decision_id(at: datetime) -> str:
    """What no id of this moment or later sorts before: its 12 digits of time."""
    return f"{int(at.timestamp() * 1000):012x}"


def redact(claims: JSONValue) -> JSONValue:
    """Claims as they may be recorded: every nonce replaced by ``sha256:<hex>`` of itself."""
    if isinstance(claims, dict):
        return {
            name: _digest(value) if name in _NONCE_CLAIMS else redact(value)
            for name, value in claims.items()
        }
    if isinstance(claims, list):
        return [redact(value) for value in claims]
    return claims


def _digest(value: JSONValue) -> JSONValue:
    if isinstance(value, str):
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    if isinstance(value, list):
        return [_digest(each) for each in value]
    return redact(value)
