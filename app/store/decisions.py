"""Decision records: appended, found by id, listed newest first by any filter."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, func, insert, select, type_coerce

from app.store.columns import dump_json
from app.store.database import Database
from app.store.tables import decisions
from app.trust.decisions import (
    DecisionCount,
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    Outcome,
    first_decision_id,
)

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
)
_FIND = select(*_HEAD, _COLUMNS.body).where(_COLUMNS.decision_id == bindparam("of_id"))
_NEWEST_FIRST = select(*_HEAD).order_by(_COLUMNS.decision_id.desc())
_ADD = insert(decisions)
# Moments are kept as microseconds since 1970.
_HOUR = type_coerce(_COLUMNS.at, BigInteger) // 3_600_000_000
_SORT = (_COLUMNS.kind, _COLUMNS.outcome, _COLUMNS.reason, _COLUMNS.tee)
_COUNT = (
    select(_HOUR.label("hour"), *_SORT, func.count())
    .where(_COLUMNS.decision_id >= bindparam("first_id"))
    .group_by(_HOUR, *_SORT)
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
                "body": zlib.compress(body.encode(), _COMPRESSION_LEVEL),
            },
        )

    def find(self, decision_id: str) -> DecisionRecord | None:
        """The record of this id."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_id": decision_id}).first()
        if row is None:
            return None
        members = json.loads(zlib.decompress(row.body))
        return replace(_record(row), inputs=members["inputs"], result=members["result"])

    def page(self, query: DecisionQuery) -> list[DecisionRecord]:
        """Records, newest first, without ``inputs`` and ``result`` (both empty)."""
        filters = {
            _COLUMNS.kind: query.kind,
            _COLUMNS.outcome: query.outcome,
            _COLUMNS.tee: query.tee,
            _COLUMNS.reason: query.reason,
            _COLUMNS.subject: query.subject,
            _COLUMNS.token_id: query.token_id,
        }
        statement = _NEWEST_FIRST.limit(query.limit)
        for column, wanted in filters.items():
            if wanted is not None:
                statement = statement.where(column == wanted)
        if query.before is not None:
            statement = statement.where(_COLUMNS.decision_id < query.before)
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(statement)]

    def count(self, since: datetime) -> list[DecisionCount]:
        """How many records of each sort there are since a moment, hour by hour, in any order.

        Ids sort by time, so one range of the primary key is all that is read.
        """
        with self.database.read() as connection:
            rows = connection.execute(_COUNT, {"first_id": first_decision_id(since)}).all()
        return [
            DecisionCount(
                _EPOCH + timedelta(hours=hour),
                DecisionKind(kind),
                Outcome(outcome),
                reason,
                tee,
                count,
            )
            for hour, kind, outcome, reason, tee, count in rows
        ]


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
    )
