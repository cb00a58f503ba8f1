"""Audit records: what operators did, chained by digest so that a change of the past shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.trust.json_types import JSONObject
from guest.wire.canonical import canonical_json

# The digest that the first record of a chain names as its predecessor.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class ActingToken:
    """The API token by which somebody acts, without what it consists of.

    Attributes:
        token_id: 16 hex digits; it opens nothing.
        label: what its maker calls it.
    """

    token_id: str
    label: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator, an admin token, or the command line.

    Attributes:
        name: account name, or ``subject@issuer`` of a bearer token, or ``cli:<user>``.
        role: the role under which it acts.
        source: the network address it came from, or ``local``.
        token: the API token that acted for it; ``None`` when it acted itself.
    """

    name: str
    role: str
    source: str = "local"
    token: ActingToken | None = None

    @property
    def title(self) -> str:
        """Who it is, for lists: the name, and which token of its."""
        return self.name if self.token is None else f'{self.name} · token "{self.token.label}"'


class LocalActor(Actor):
    """Whoever commands the machine itself: its command line, or the program at its start.

    A type of its own, because nothing that comes over a network may ever pass for it.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action before it is chained.

    Attributes:
        action: what was done, ``area:thing:verb`` (``policy:attestation:set``).
        subject: what it was done to: a policy id, a resource path, a key id. Never a secret.
        before: digest of the state before, hex, or ``None``.
        after: digest of the state after, hex, or ``None``.
        note: why, in the words of whoever did it; ``None`` when nobody was asked.
    """

    at: datetime
    actor: Actor
    action: str
    subject: str
    before: str | None = None
    after: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A chained action.

    Attributes:
        sequence: 1, 2, 3 … without gaps.
        previous: ``digest`` of the record before, ``GENESIS`` for the first.
        digest: SHA-256, hex, of the canonical JSON of everything else.
    """

    sequence: int
    entry: AuditEntry
    previous: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which records a list shows, newest first; what is ``None`` does not filter.

    Attributes:
        since: the earliest time that is shown.
        until: the first time that is not shown any more.
        before: sequence of the last record of the page before.
        limit: at most so many.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50

    @property
    def filters(self) -> bool:
        """Whether it leaves anything out besides what other pages show."""
        return any((self.actor, self.action, self.subject, self.since, self.until))


class MarkKind(StrEnum):
    """What a mark in the chain is for."""

    # The last record that was pruned: the chain begins after it.
    ANCHOR = "anchor"
    # The newest record up to which housekeeping has verified the chain.
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class AuditMark:
    """A place in the chain: the record of this sequence has, or had, this digest.

    Attributes:
        sequence: 0 with ``GENESIS`` is the place before the first record.
        at: when the mark was made.
    """

    sequence: int
    digest: str
    at: datetime | None = None


BEGINNING = AuditMark(0, GENESIS)


class AuditLog(Protocol):
    """Where audit records live; they are appended, and pruned from the old end only."""

    def append(self, entry: AuditEntry) -> AuditRecord:
        """Chain the entry to the newest record, inside the caller's transaction."""
        ...

    def page(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        """Records, newest first, with a sequence below ``before`` when that is given."""
        ...

    def search(self, query: AuditQuery) -> list[AuditRecord]:
        """The records that a query asks for, newest first by their time."""
        ...

    def find(self, sequence: int) -> AuditRecord | None:
        """The record of this sequence."""
        ...

    def following(self, sequence: int, limit: int) -> list[AuditRecord]:
        """Records after a sequence, oldest first."""
        ...

    def actions(self) -> list[str]:
        """Every action that is on record, in order."""
        ...

    def mark(self, kind: MarkKind) -> AuditMark | None:
        """The mark of this kind."""
        ...

    def set_mark(self, kind: MarkKind, mark: AuditMark) -> None:
        """Replace the mark of this kind, inside the caller's transaction."""
        ...

    def lock(self) -> None:
        """Keep others from appending until the caller's transaction ends."""
        ...

    def prune(self, through: int) -> int:
        """Remove every record up to this sequence, inside the caller's transaction; how many."""
        ...


def chain_digest(sequence: int, entry: AuditEntry, previous: str) -> str:
    """The digest of a record: SHA-256 over RFC 8785 JSON of its members, hex.

    A note and a token are members only where there is one: records from before there were any keep
    theirs.
    """
    members: JSONObject = {
        "sequence": sequence,
        "at": entry.at.isoformat(),
        "actor": entry.actor.name,
        "role": entry.actor.role,
        "source": entry.actor.source,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "previous": previous,
    }
    if entry.note is not None:
        members["note"] = entry.note
    if entry.actor.token is not None:
        members["token"] = {"id": entry.actor.token.token_id, "label": entry.actor.token.label}
    return hashlib.sha256(canonical_json(members)).hexdigest()
