"""The audit log: a chain without gaps, also when many append at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, insert, select

from app.store.database import Database
from app.store.tables import audit_records
from app.trust.audit import GENESIS, Actor, AuditEntry, AuditRecord, chain_digest

# The advisory lock under which PostgreSQL lets one transaction at a time append; an arbitrary
# number that no other lock of ours has.
_CHAIN_LOCK = 0x766F756368_02

_COLUMNS = audit_records.c
_NEWEST_FIRST = select(audit_records).order_by(_COLUMNS.sequence.desc())
_HEAD = select(_COLUMNS.sequence, _COLUMNS.digest).order_by(_COLUMNS.sequence.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class SQLAuditLog:
    """The audit log in the database."""

    database: Database

    def append(self, entry: AuditEntry) -> AuditRecord:
        """Chain the entry to the newest record, inside the caller's transaction."""
        connection = self.database.writing()
        if self.database.is_postgresql:
            # Held until the transaction ends: only then can the next see what this one appended.
            connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
        newest = connection.execute(_HEAD).first()
        sequence, previous = (newest[0] + 1, newest[1]) if newest else (1, GENESIS)
        # The database gives times back in UTC, and the digest must come out the same from them.
        entry = replace(entry, at=entry.at.astimezone(UTC))
        record = AuditRecord(sequence, entry, previous, chain_digest(sequence, entry, previous))
        connection.execute(insert(audit_records), _row(record))
        return record

    def page(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        """Records, newest first, with a sequence below ``before`` when that is given."""
        statement = _NEWEST_FIRST.limit(limit)
        if before is not None:
            statement = statement.where(_COLUMNS.sequence < before)
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(statement)]


def _row(record: AuditRecord) -> dict[str, int | str | datetime | None]:
    entry = record.entry
    return {
        "sequence": record.sequence,
        "at": entry.at,
        "actor": entry.actor.name,
        "role": entry.actor.role,
        "source": entry.actor.source,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "note": entry.note,
        "previous": record.previous,
        "digest": record.digest,
    }


def _record(row: Row[*tuple[Any, ...]]) -> AuditRecord:
    actor = Actor(row.actor, row.role, row.source)
    entry = AuditEntry(row.at, actor, row.action, row.subject, row.before, row.after, row.note)
    return AuditRecord(row.sequence, entry, row.previous, row.digest)
