"""Decision records: appended whole, listed by any filter, newest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from store.every_port import Stores, failing

from app.store.database import Database
from app.trust.decisions import (
    DecisionCount,
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    Outcome,
    new_decision_id,
)


@pytest.fixture
def record(now: datetime) -> DecisionRecord:
    """An allowed release with everything in it."""
    return DecisionRecord(
        new_decision_id(now),
        DecisionKind.RELEASE,
        now,
        Outcome.ALLOWED,
        "policy-allowed",
        "snp",
        "default/demo/secret",
        "0" * 64,
        "1" * 64,
        "token-1",
        "https://as.example",
        1234,
        {"claims": {"big": 2**64 - 1, "nul": "\x00", "lone": "\ud800", "umbrella": "☂", "f": 0.1}},
        {"allow": True, "nothing": None},
    )


def add(stores: Stores, *records: DecisionRecord) -> None:
    """All records in one transaction."""
    with stores.transaction():
        for record in records:
            stores.decisions.add(record)


def test_an_unknown_id_finds_nothing(stores: Stores) -> None:
    """There is no record before there is one."""
    assert stores.decisions.find("0" * 32) is None
    assert stores.decisions.page(DecisionQuery()) == []


def test_a_record_of_a_transaction_that_failed_is_gone(
    stores: Stores, record: DecisionRecord
) -> None:
    """A decision that was not carried out is not on record."""
    with failing(stores):
        stores.decisions.add(record)
    assert stores.decisions.find(record.decision_id) is None


def test_every_part_of_a_record_comes_back(
    stores: Stores, record: DecisionRecord, now: datetime
) -> None:
    """Replay needs the very values that were judged, however large or odd."""
    bare = DecisionRecord(
        new_decision_id(now), DecisionKind.APPRAISAL, now, Outcome.DENIED, "malformed", None, ""
    )
    add(stores, record, bare)
    assert stores.decisions.find(record.decision_id) == record
    assert stores.decisions.find(bare.decision_id) == bare


def test_a_list_is_without_the_bodies(stores: Stores, record: DecisionRecord) -> None:
    """A page of five hundred must not read five hundred sets of claims."""
    add(stores, record)
    assert stores.decisions.page(DecisionQuery()) == [replace(record, inputs={}, result={})]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kind", DecisionKind.APPRAISAL),
        ("outcome", Outcome.DENIED),
        ("tee", "tdx"),
        ("reason", "policy-denied"),
        ("subject", "default/other/secret"),
        ("token_id", "token-2"),
    ],
)
def test_each_filter_selects(
    stores: Stores, record: DecisionRecord, now: datetime, member: str, value: Any
) -> None:
    """A filter shows what it names and hides the rest."""
    other = replace(record, decision_id=new_decision_id(now), **{member: value})
    add(stores, record, other)
    found = stores.decisions.page(DecisionQuery(**{member: value}))
    assert [each.decision_id for each in found] == [other.decision_id]


def test_filters_add_up(stores: Stores, record: DecisionRecord, now: datetime) -> None:
    """Every filter that is given must hold."""
    add(stores, record)
    query = DecisionQuery(tee="snp", outcome=Outcome.DENIED)
    assert stores.decisions.page(query) == []


def test_pages_follow_each_other_without_gap_or_overlap(
    stores: Stores, record: DecisionRecord, now: datetime
) -> None:
    """Keyset paging walks every record once, newest first."""
    moments = [now + timedelta(milliseconds=step) for step in range(25)]
    ids = [new_decision_id(at) for at in moments]
    add(stores, *(replace(record, decision_id=each) for each in ids))
    seen: list[str] = []
    before = None
    while page := stores.decisions.page(DecisionQuery(before=before, limit=10)):
        seen += [each.decision_id for each in page]
        before = seen[-1]
    assert seen == ids[::-1]


def test_counts_are_by_hour_and_sort(stores: Stores, record: DecisionRecord, now: datetime) -> None:
    """One figure for each hour and sort; what is older does not count."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    moments = [hour - timedelta(seconds=1), hour, hour, hour + timedelta(hours=1)]
    add(stores, *(replace(record, decision_id=new_decision_id(at), at=at) for at in moments))
    other = replace(record, decision_id=new_decision_id(hour), at=hour, tee=None)
    add(stores, other)
    sort = (record.kind, record.outcome, record.reason)
    assert sorted(stores.decisions.count(hour), key=lambda each: (each.hour, each.tee or "")) == [
        DecisionCount(hour, *sort, None, 1),
        DecisionCount(hour, *sort, "snp", 2),
        DecisionCount(hour + timedelta(hours=1), *sort, "snp", 1),
    ]


def test_counting_reads_a_range_of_the_primary_key(sqlite_url: str) -> None:
    """What was decided before the window costs nothing."""
    database = Database.from_url(sqlite_url)
    plan = (
        "EXPLAIN QUERY PLAN SELECT kind, count(*) FROM decisions WHERE decision_id >= 'x' "
        "GROUP BY at / 3600000000, kind"
    )
    with database.read() as connection:
        detail = str(connection.execute(text(plan)).all())
    database.close()
    assert "(decision_id>?)" in detail


@pytest.mark.parametrize("column", ["kind", "outcome", "reason", "tee", "subject", "token_id"])
def test_each_filter_has_an_index(sqlite_url: str, column: str) -> None:
    """Listing by any filter stays fast with a million decisions."""
    database = Database.from_url(sqlite_url)
    plan = (
        f"EXPLAIN QUERY PLAN SELECT at FROM decisions WHERE {column} = 'x' "  # noqa: S608
        "AND decision_id < 'y' ORDER BY decision_id DESC"
    )
    with database.read() as connection:
        detail = str(connection.execute(text(plan)).all())
    database.close()
    assert f"USING INDEX ix_decisions_{column} ({column}=? AND decision_id<?)" in detail
    assert "TEMP B-TREE" not in detail
