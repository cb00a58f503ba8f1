"""The audit log: a chain without gaps, also when many append at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
)

from app.store.database import Database
from app.store.tables import audit_marks, audit_records
from app.trust.audit import (
    GENESIS,
    ActingToken,
    Actor,
    AuditEntry,
    AuditMark,
    AuditQuery,
    AuditRecord,
    MarkKind,
    chain_digest,
)

# The advisory lock under which PostgreSQL lets one transaction at a time append; an arbitrary
# number that no other lock of ours has.
_CHAIN_LOCK = 0x766F756368_02

# So many records are read and filtered in no time.
_FEW = 2_000

_COLUMNS = audit_records.c
_NEWEST_FIRST = select(audit_records).order_by(_COLUMNS.sequence.desc())
_NEWEST_BY_TIME = select(audit_records).order_by(_COLUMNS.at.desc(), _COLUMNS.sequence.desc())
_OLDEST_FIRST = select(audit_records).order_by(_COLUMNS.sequence)
_FIND = select(audit_records).where(_COLUMNS.sequence == bindparam("of_sequence"))
_TIME_OF = select(_COLUMNS.at).where(_COLUMNS.sequence == bindparam("of_sequence"))
_MARK = select(audit_marks.c.sequence, audit_marks.c.digest, audit_marks.c.at).where(
    audit_marks.c.kind == bindparam("of_kind")
)
_HEAD = select(_COLUMNS.sequence, _COLUMNS.digest).order_by(_COLUMNS.sequence.desc()).limit(1)


def _distinct_actions() -> Select[Any]:
    """Each action once, by leaping from one to the next in the index instead of reading it all."""
    first = select(func.min(_COLUMNS.action).label("action")).cte("leaps", recursive=True)
    next_one = (
        select(func.min(_COLUMNS.action)).where(_COLUMNS.action > first.c.action).scalar_subquery()
    )
    leaps = first.union_all(select(next_one).where(first.c.action.is_not(None)))
    return select(leaps.c.action).where(leaps.c.action.is_not(None))


_ACTIONS = _distinct_actions()


@dataclass(frozen=True, slots=True)
class SQLAuditLog:
    """The audit log in the database."""

    database: Database

    def append(self, entry: AuditEntry) -> AuditRecord:
        """Chain the entry to the newest record, inside the caller's transaction."""
        connection = self.database.writing()
        self.lock()
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

    def search(self, query: AuditQuery) -> list[AuditRecord]:
        """The records that a query asks for, newest first by their time.

        Times are those of the machines that wrote, so they are almost in the order of the chain;
        an index for each filter has them in their own.
        """
        with self.database.read() as connection:
            wanted = _conditions(query, _rarest(connection, query))
            statement = _NEWEST_BY_TIME.where(*wanted).limit(query.limit)
            if query.before is not None:
                last = connection.execute(_TIME_OF, {"of_sequence": query.before}).scalar()
                older = _COLUMNS.sequence < query.before
                if last is not None:
                    older = tuple_(_COLUMNS.at, _COLUMNS.sequence) < tuple_(
                        bindparam("last_at", last, _COLUMNS.at.type), query.before
                    )
                statement = statement.where(older)
            return [_record(row) for row in connection.execute(statement)]

    def find(self, sequence: int) -> AuditRecord | None:
        """The record of this sequence."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_sequence": sequence}).first()
        return None if row is None else _record(row)

    def following(self, sequence: int, limit: int) -> list[AuditRecord]:
        """Records after a sequence, oldest first."""
        statement = _OLDEST_FIRST.where(_COLUMNS.sequence > sequence).limit(limit)
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(statement)]

    def actions(self) -> list[str]:
        """Every action that is on record, in order."""
        with self.database.read() as connection:
            return sorted(row.action for row in connection.execute(_ACTIONS))

    def mark(self, kind: MarkKind) -> AuditMark | None:
        """The mark of this kind."""
        with self.database.read() as connection:
            row = connection.execute(_MARK, {"of_kind": kind.value}).first()
        return None if row is None else AuditMark(*row)

    def set_mark(self, kind: MarkKind, mark: AuditMark) -> None:
        """Replace the mark of this kind, inside the caller's transaction."""
        row = {"sequence": mark.sequence, "digest": mark.digest, "at": mark.at}
        new = self.database.insert(audit_marks).values(kind=kind.value, **row)
        upsert = new.on_conflict_do_update(index_elements=[audit_marks.c.kind], set_=row)
        self.database.writing().execute(upsert)

    def lock(self) -> None:
        """Keep others from appending until the caller's transaction ends."""
        connection = self.database.writing()
        if self.database.is_postgresql:
            # Held until the transaction ends: only then can the next see what this one appended.
            connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))

    def prune(self, through: int) -> int:
        """Remove every record up to this sequence, inside the caller's transaction; how many."""
        aged = delete(audit_records).where(_COLUMNS.sequence <= through)
        return self.database.writing().execute(aged).rowcount


def _wanted(query: AuditQuery) -> dict[str, str]:
    """The filters for one value, by column."""
    found = {name: getattr(query, name) for name in ("actor", "action", "subject")}
    return {name: value for name, value in found.items() if value is not None}


def _rarest(connection: Connection, query: AuditQuery) -> str | None:
    """Of several filters, one that few records meet: its index is the one to read.

    SQLite chooses an index without knowing what is in it, and may read a frequent value's million.
    """
    wanted = _wanted(query)
    for name, value in wanted.items() if len(wanted) > 1 else ():
        many = select(1).where(_COLUMNS[name] == value).offset(_FEW).limit(1)
        if connection.execute(many).first() is None:
            return name
    return None


def _conditions(query: AuditQuery, rarest: str | None) -> Iterator[ColumnElement[bool]]:
    for name, value in _wanted(query).items():
        # An expression is in no index, so the column itself is left to lead.
        hidden = rarest is not None and name != rarest
        yield (_COLUMNS[name].concat("") if hidden else _COLUMNS[name]) == value
    if query.since is not None:
        yield _COLUMNS.at >= query.since
    if query.until is not None:
        yield _COLUMNS.at < query.until


def _row(record: AuditRecord) -> dict[str, int | str | datetime | None]:
    entry = record.entry
    return {
        "sequence": record.sequence,
        "at": entry.at,
        "actor": entry.actor.name,
        "role": entry.actor.role,
        "source": entry.actor.source,
        "token_id": entry.actor.token.token_id if entry.actor.token else None,
        "token_label": entry.actor.token.label if entry.actor.token else None,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "note": entry.note,
        "previous": record.previous,
        "digest": record.digest,
    }


def _record(row: Row[*tuple[Any, ...]]) -> AuditRecord:
    token = None if row.token_id is None else ActingToken(row.token_id, row.token_label)
    actor = Actor(row.actor, row.role, row.source, token)
    entry = AuditEntry(row.at, actor, row.action, row.subject, row.before, row.after, row.note)
    return AuditRecord(row.sequence, entry, row.previous, row.digest)
