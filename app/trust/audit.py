"""Audit records: what operators did, chained by digest so that a change of the past shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.trust.json_types import JSONObject
from guest.wire.canonical import canonical_json

# The digest that the first record of a chain names as its predecessor.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator, an admin token, or the command line.

    Attributes:
        name: account name, or ``subject@issuer`` of a bearer token, or ``cli:<user>``.
        role: the role under which it acts.
        source: the network address it came from, or ``local``.
    """

    name: str
    role: str
    source: str = "local"


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


class AuditLog(Protocol):
    """Where audit records live; they are only ever appended."""

    def append(self, entry: AuditEntry) -> AuditRecord:
        """Chain the entry to the newest record, inside the caller's transaction."""
        ...

    def page(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        """Records, newest first, with a sequence below ``before`` when that is given."""
        ...


def chain_digest(sequence: int, entry: AuditEntry, previous: str) -> str:
    """The digest of a record: SHA-256 over RFC 8785 JSON of its members, hex.

    A note is a member only where there is one: records from before there were notes keep theirs.
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
    return hashlib.sha256(canonical_json(members)).hexdigest()


def first_broken_link(records: list[AuditRecord], previous: str = GENESIS) -> int | None:
    """The sequence of the first record, oldest first, that does not chain; ``None`` if all do."""
    for record in records:
        expected = chain_digest(record.sequence, record.entry, previous)
        if record.previous != previous or record.digest != expected:
            return record.sequence
        previous = record.digest
    return None
