"""Decision records: appended whole, listed by any filter, newest first."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from store.every_port import Stores, failing

from app.store.database import Database
from app.trust.decisions import (
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
        ("measurement", "ab" * 48),
        ("policy_digest", "2" * 64),
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


@pytest.mark.parametrize(
    "filters", [{}, {"measurement": "m"}, {"subject": "s"}, {"policy_digest": "p"}]
)
def test_the_newest_of_a_sort_are_found_by_an_index(
    sqlite_url: str, record: DecisionRecord, filters: dict[str, str]
) -> None:
    """Listing stays fast with a million decisions: nothing is read that is not shown."""
    columns = {"sort": "x", **filters}
    index = f"ix_decisions_{next(iter(filters), 'sort')}"
    wanted = " AND ".join(f"{column} = 'x'" for column in columns)
    plan = (
        f"EXPLAIN QUERY PLAN SELECT decision_id FROM decisions WHERE {wanted} "  # noqa: S608
        "AND decision_id >= '' AND decision_id < 'g' ORDER BY decision_id DESC LIMIT 50"
    )
    with closing(Database.from_url(sqlite_url)) as database, database.read() as connection:
        detail = str(connection.execute(text(plan)).all())
    assert f"USING COVERING INDEX {index} (" in detail
    assert "decision_id>? AND decision_id<?" in detail
    assert "TEMP B-TREE" not in detail


def test_a_guest_cannot_make_sorts(sql: Stores, database: Database, record: DecisionRecord) -> None:
    """Names of TEEs that nobody knows are one sort, and are found all the same."""
    names = [f"tee-{number}" for number in range(20)]
    add(
        sql,
        *(
            replace(record, decision_id=f"{number:032x}", tee=name)
            for number, name in enumerate(names)
        ),
    )
    with database.read() as connection:
        sorts = connection.execute(text("SELECT DISTINCT sort FROM decisions")).scalars().all()
    assert sorts == ["release allowed policy-allowed -"]
    assert [each.tee for each in sql.decisions.page(DecisionQuery(tee="tee-7"))] == ["tee-7"]


def test_ids_are_bounded_by_prefix_and_times(
    stores: Stores, record: DecisionRecord, now: datetime
) -> None:
    """A prefix as a person types it, and the times from one moment up to another."""
    moments = [now + timedelta(minutes=step) for step in range(4)]
    ids = [new_decision_id(at) for at in moments]
    add(stores, *(replace(record, decision_id=each) for each in ids))

    def found(**bounds: Any) -> list[str]:
        return [each.decision_id for each in stores.decisions.page(DecisionQuery(**bounds))]

    assert found(prefix=ids[2][:14]) == [ids[2]]
    assert found(prefix=ids[2]) == [ids[2]]
    assert found(prefix="f") == []
    assert found(since=moments[1], until=moments[3]) == [ids[2], ids[1]]
    assert found(since=moments[1], until=moments[3], tee="snp", before=ids[2]) == [ids[1]]
    assert found(since=moments[3], until=moments[1]) == []
