"""Decisions counted by the hour: once for hours that are over, and never wrong meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from store.every_port import sql_stores
from store.threads import at_once

from app.console.decision_hours import HOUR
from app.store.database import Database
from app.store.decision_hours import SQLDecisionHours
from app.trust.decisions import (
    DecisionCount,
    DecisionKind,
    DecisionRecord,
    Outcome,
    new_decision_id,
)

START = datetime(2026, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def hours(database: Database) -> SQLDecisionHours:
    """Counts on each engine."""
    return SQLDecisionHours(database)


def decide(database: Database, at: datetime, tee: str | None = "snp") -> None:
    """Write a decision down."""
    record = DecisionRecord(
        decision_id=new_decision_id(at),
        kind=DecisionKind.APPRAISAL,
        at=at,
        outcome=Outcome.ALLOWED,
        reason="affirming",
        tee=tee,
        subject="default",
    )
    with database.transaction():
        sql_stores(database).decisions.add(record)


def counted(hour: datetime, count: int, tee: str | None = "snp") -> DecisionCount:
    """What an hour of such decisions is counted as."""
    return DecisionCount(hour, DecisionKind.APPRAISAL, Outcome.ALLOWED, "affirming", tee, count)


def test_without_decisions_there_is_nothing_to_close(hours: SQLDecisionHours) -> None:
    """An empty database has no first hour."""
    assert hours.close(START) == 0
    assert hours.count(START) == []


def test_counts_are_the_same_before_and_after_closing(
    database: Database, hours: SQLDecisionHours
) -> None:
    """To the first and the last millisecond of an hour; an hour without decisions is one too."""
    for at in (
        START,
        START + HOUR - timedelta(milliseconds=1),
        START + HOUR,
        START + 3 * HOUR,
    ):
        decide(database, at)
    decide(database, START, tee=None)
    expected = {
        counted(START, 2),
        counted(START, 1, None),
        counted(START + HOUR, 1),
        counted(START + 3 * HOUR, 1),
    }
    assert set(hours.count(START)) == expected
    assert hours.close(START + 3 * HOUR) == 3
    assert set(hours.count(START)) == expected
    assert hours.count(START + 2 * HOUR) == [counted(START + 3 * HOUR, 1)]


def test_spans_of_several_hours_add_up(database: Database, hours: SQLDecisionHours) -> None:
    """Closed hours and open ones alike; a span begins where the one before ends."""
    for number in (0, 1, 1, 2, 5):
        decide(database, START + number * HOUR)
    decide(database, START + HOUR, tee=None)
    spans = {counted(START, 3), counted(START, 1, None), counted(START + 2 * HOUR, 1)}
    expected = spans | {counted(START + 4 * HOUR, 1)}
    for closed in (0, 1, 3):
        hours.close(START + closed * HOUR)
        assert set(hours.count(START, 2 * HOUR)) == expected


def test_an_hour_that_is_not_over_stays_open(database: Database, hours: SQLDecisionHours) -> None:
    """What comes later is counted."""
    decide(database, START)
    assert hours.close(START + timedelta(minutes=59)) == 0
    decide(database, START + timedelta(minutes=59))
    assert hours.count(START) == [counted(START, 2)]


def test_hours_are_closed_in_batches(database: Database, hours: SQLDecisionHours) -> None:
    """A year's backlog does not hold one transaction open."""
    decide(database, START)
    assert [hours.close(START + 150 * HOUR) for _ in range(3)] == [100, 50, 0]


def test_workers_that_close_at_once_count_once(database: Database, hours: SQLDecisionHours) -> None:
    """The same hour twice is one row."""
    decide(database, START)
    at_once(4, lambda _: hours.close(START + HOUR))
    assert hours.count(START) == [counted(START, 1)]
