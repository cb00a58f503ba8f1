"""Decision records: appended, found by id, listed newest first by any filter."""

from __future__ import annotations

import heapq
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    select,
)

from app.store.columns import dump_json
from app.store.database import Database
from app.store.tables import DECISION_FILTERS, decisions
from app.trust.decisions import (
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    Outcome,
)
from guest.wire.tees import TEES

# Claims are repetitive: the fastest level takes most of their size away.
_COMPRESSION_LEVEL = 1

_COLUMNS = decisions.c
_HEAD = (
    _COLUMNS.decision_id,
    _COLUMNS.kind,
    _COLUMNS.at,
    _COLUMNS.outcome,
    _COLUMNS.reason,
    _COLUMNS.tee,
    _COLUMNS.subject,
    _COLUMNS.policy_digest,
    _COLUMNS.reference_values_digest,
    _COLUMNS.token_id,
    _COLUMNS.issuer,
    _COLUMNS.latency_us,
    _COLUMNS.measurement,
)
_FIND = select(*_HEAD, _COLUMNS.body).where(_COLUMNS.decision_id == bindparam("of_id"))
_NEWEST_FIRST = select(*_HEAD).order_by(_COLUMNS.decision_id.desc())
_NEWEST_IDS = select(_COLUMNS.decision_id).order_by(_COLUMNS.decision_id.desc())
_WHOLE_NEWEST_FIRST = select(*_HEAD, _COLUMNS.body).order_by(_COLUMNS.decision_id.desc())
_ADD = insert(decisions)
# A TEE that is not known here is a name of the guest's choice: there must not be a sort for each.
_NO_TEE = "-"


def _every_sort() -> Select[str | None]:
    """The sorts that there are, one look into the index for each."""
    first = select(func.min(_COLUMNS.sort).label("sort")).cte("sorts", recursive=True)
    following = (
        select(func.min(_COLUMNS.sort)).where(_COLUMNS.sort > first.c.sort).scalar_subquery()
    )
    sorts = first.union_all(select(following).where(first.c.sort.is_not(None)))
    return select(sorts.c.sort)


_SORTS = _every_sort()
_SORTED_BY = ("kind", "outcome", "reason", "tee")
_FOUND_BY = (*DECISION_FILTERS, "token_id")


@dataclass(frozen=True, slots=True)
class SQLDecisionStore:
    """Decision records in the database."""

    database: Database

    def add(self, record: DecisionRecord) -> None:
        """Append a record, inside the caller's transaction."""
        body = dump_json({"inputs": record.inputs, "result": record.result})
        self.database.writing().execute(
            _ADD,
            {
                "decision_id": record.decision_id,
                "kind": record.kind.value,
                "at": record.at,
                "outcome": record.outcome.value,
                "reason": record.reason,
                "tee": record.tee,
                "subject": record.subject,
                "policy_digest": record.policy_digest,
                "reference_values_digest": record.reference_values_digest,
                "token_id": record.token_id,
                "issuer": record.issuer,
                "latency_us": record.latency_us,
                "measurement": record.measurement,
                "sort": _sort_of(record),
                "body": zlib.compress(body.encode(), _COMPRESSION_LEVEL),
            },
        )

    def find(self, decision_id: str) -> DecisionRecord | None:
        """The record of this id."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_id": decision_id}).first()
        return None if row is None else _whole_record(row)

    def page(self, query: DecisionQuery) -> list[DecisionRecord]:
        """Records, newest first, without ``inputs`` and ``result`` (both empty).

        However few of the records are of the sort that is asked for, none of the others is read:
        each index has its records sort by sort, and the newest of each sort are merged.
        """
        with self.database.read() as connection:
            return [_record(row) for row in _newest(connection, _NEWEST_FIRST, query)]

    def whole_page(self, query: DecisionQuery) -> list[DecisionRecord]:
        """Records, newest first, with everything that they were decided on."""
        with self.database.read() as connection:
            rows = _newest(connection, _WHOLE_NEWEST_FIRST, query)
        return [_whole_record(row) for row in rows]

    def how_many(self, kind: DecisionKind | None, *, most: int) -> int:
        """How many records of a kind, or of any, there are; counted no further than ``most``."""
        some = select(_COLUMNS.decision_id).limit(most)
        if kind is not None:
            some = some.where(_COLUMNS.kind == kind.value)
        with self.database.read() as connection:
            counted = connection.execute(select(func.count()).select_from(some.subquery()))
            return counted.scalar_one()


def _newest(
    connection: Connection, statement: Select[*tuple[Any, ...]], query: DecisionQuery
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows that a query asks for, newest first."""
    if _is_unsorted(query):
        statement = statement.where(*_filters(query)).limit(query.limit)
    else:
        newest = heapq.nlargest(query.limit, _ids_by_sort(connection, query))
        statement = statement.where(_COLUMNS.decision_id.in_(newest))
    return connection.execute(statement).all()


def _whole_record(row: Row[*tuple[Any, ...]]) -> DecisionRecord:
    members = json.loads(zlib.decompress(row.body))
    return replace(_record(row), inputs=members["inputs"], result=members["result"])


def _record(row: Row[*tuple[Any, ...]]) -> DecisionRecord:
    return DecisionRecord(
        row.decision_id,
        DecisionKind(row.kind),
        row.at,
        Outcome(row.outcome),
        row.reason,
        row.tee,
        row.subject,
        row.policy_digest,
        row.reference_values_digest,
        row.token_id,
        row.issuer,
        row.latency_us,
        measurement=row.measurement,
    )


def _sort_of(record: DecisionRecord) -> str:
    tee = record.tee if record.tee in TEES else _NO_TEE
    return f"{record.kind} {record.outcome} {record.reason} {tee}"


def _is_of(sort: str, query: DecisionQuery) -> bool:
    """Whether records of a sort can be what is asked for."""
    kind, outcome, reason, tee = sort.split(" ")
    wanted_tee = query.tee if query.tee in TEES else query.tee and _NO_TEE
    return (
        query.kind in (None, kind)
        and query.outcome in (None, outcome)
        and query.reason in (None, reason)
        and wanted_tee in (None, tee)
    )


def _is_unsorted(query: DecisionQuery) -> bool:
    """Whether the newest records of all are asked for, or the few of one token."""
    return query.token_id is not None or not _equal(query, (*_SORTED_BY, *DECISION_FILTERS))


def _filters(query: DecisionQuery) -> list[ColumnElement[bool]]:
    return [
        *(_COLUMNS[name] == wanted for name, wanted in _equal(query, _SORTED_BY).items()),
        *(_COLUMNS[name] == wanted for name, wanted in _equal(query, _FOUND_BY).items()),
        *_in_range(query),
    ]


def _equal(query: DecisionQuery, names: tuple[str, ...]) -> dict[str, str]:
    values = {name: getattr(query, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _in_range(query: DecisionQuery) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    first, end = query.id_range()
    return _COLUMNS.decision_id >= first, _COLUMNS.decision_id < end


def _by_index(query: DecisionQuery) -> Iterator[ColumnElement[bool]]:
    """The filters that a sort leaves, the first of them by its index.

    The others are told from the same index; an engine without statistics would take any of theirs,
    and read half of the table.
    """
    if query.tee is not None and query.tee not in TEES:
        yield _COLUMNS.tee == query.tee
    for position, (name, wanted) in enumerate(_equal(query, DECISION_FILTERS).items()):
        column = _COLUMNS[name]
        yield (func.coalesce(column, "") if position else column) == wanted
    yield from _in_range(query)


def _ids_by_sort(connection: Connection, query: DecisionQuery) -> Iterator[str]:
    """The newest ids of each sort that fits, at most as many of each as the page takes."""
    statement = (
        _NEWEST_IDS.where(*_by_index(query))
        .where(_COLUMNS.sort == bindparam("of_sort"))
        .limit(query.limit)
    )
    for sort in connection.execute(_SORTS).scalars().all():
        if sort is not None and _is_of(sort, query):
            yield from connection.execute(statement, {"of_sort": sort}).scalars()
