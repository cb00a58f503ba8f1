"""Counts of decisions by the hour: a row for each hour that is over, the rest counted anew."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import BigInteger, Connection, bindparam, func, select, type_coerce

from app.console.decision_hours import HOUR, full_hour
from app.store.database import Database
from app.store.tables import decision_hours, decisions
from app.trust.decisions import DecisionCount, DecisionKind, Outcome, first_decision_id
from app.trust.json_types import JSONValue

# Kind, outcome, reason and TEE of decisions that are counted together.
Sort: TypeAlias = tuple[str, str, str, str | None]

# How many hours are closed in one transaction.
_BATCH = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What sorts after every id.
_NO_END = "g"
_MILLISECOND_DIGITS = 12

_CLOSED = select(decision_hours).where(decision_hours.c.hour >= bindparam("since"))
_LAST_CLOSED = select(func.max(decision_hours.c.hour))
_FIRST_ID = select(func.min(decisions.c.decision_id))
# Moments are kept as microseconds since 1970.
_HOUR = type_coerce(decisions.c.at, BigInteger) // 3_600_000_000
_SORT = (decisions.c.kind, decisions.c.outcome, decisions.c.reason, decisions.c.tee)
# Ids sort by time, so one range of the primary key is all that is read.
_COUNT = (
    select(_HOUR.label("hour"), *_SORT, func.count())
    .where(decisions.c.decision_id >= bindparam("first_id"))
    .where(decisions.c.decision_id < bindparam("end_id"))
    .group_by(_HOUR, *_SORT)
)


@dataclass(frozen=True, slots=True)
class SQLDecisionHours:
    """Counts in the database."""

    database: Database

    def count(self, since: datetime, span: timedelta = HOUR) -> list[DecisionCount]:
        """How many decisions of each sort there are; see the port."""
        with self.database.read() as connection:
            closed = connection.execute(_CLOSED, {"since": since}).all()
            open_since = max((hour + HOUR for hour, _ in closed), default=since)
            still_open = _counted(connection, first_decision_id(open_since), _NO_END)
        # A month has thousands of rows of these: they are added up before they become objects.
        sums: Counter[tuple[int, Sort]] = Counter()
        for hour, sorts in closed:
            number = (hour - since) // span
            for *sort, count in sorts:
                sums[number, tuple(sort)] += count
        for each in still_open:
            sums[(each.begins_at - since) // span, _sort(each)] += each.count
        return [
            DecisionCount(
                since + number * span, DecisionKind(kind), Outcome(outcome), reason, tee, count
            )
            for (number, (kind, outcome, reason, tee)), count in sums.items()
        ]

    def close(self, before: datetime) -> int:
        """Count hours that are over; see the port."""
        with self.database.read() as connection:
            first = _first_open(connection)
            hours = [] if first is None else _full_hours(first, before)
            if not hours:
                return 0
            end_id = first_decision_id(hours[-1] + HOUR)
            counts = _counted(connection, first_decision_id(hours[0]), end_id)
        insert = self.database.insert(decision_hours).on_conflict_do_nothing()
        with self.database.transaction():
            self.database.writing().execute(insert, _rows(hours, counts))
        return len(hours)


def _first_open(connection: Connection) -> datetime | None:
    """The first hour that is not closed; ``None`` before the first decision."""
    last: datetime | None = connection.execute(_LAST_CLOSED).scalar()
    if last is not None:
        return last + HOUR
    first_id = connection.execute(_FIRST_ID).scalar()
    if first_id is None:
        return None
    milliseconds = int(first_id[:_MILLISECOND_DIGITS], 16)
    return full_hour(_EPOCH + timedelta(milliseconds=milliseconds))


def _full_hours(first: datetime, before: datetime) -> list[datetime]:
    count = max(0, (before - first) // HOUR)
    return [first + number * HOUR for number in range(min(count, _BATCH))]


def _counted(connection: Connection, first_id: str, end_id: str) -> list[DecisionCount]:
    rows = connection.execute(_COUNT, {"first_id": first_id, "end_id": end_id})
    return [
        DecisionCount(
            _EPOCH + hour * HOUR, DecisionKind(kind), Outcome(outcome), reason, tee, count
        )
        for hour, kind, outcome, reason, tee, count in rows
    ]


def _rows(hours: list[datetime], counts: Iterable[DecisionCount]) -> list[dict[str, object]]:
    by_hour: defaultdict[datetime, list[JSONValue]] = defaultdict(list)
    for each in counts:
        by_hour[each.begins_at].append([*_sort(each), each.count])
    return [{"hour": hour, "counts": by_hour[hour]} for hour in hours]


def _sort(count: DecisionCount) -> Sort:
    return count.kind.value, count.outcome.value, count.reason, count.tee
