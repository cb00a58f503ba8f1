"""The audit log: one chain, whoever appends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from audit_chains import first_broken_link
from sqlalchemy import text
from store.every_port import Stores, failing
from store.threads import at_once

from app.store.database import Database
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


@pytest.fixture
def entry(now: datetime) -> AuditEntry:
    """An action with a state before and after."""
    actor = Actor("alice", "owner", "192.0.2.7")
    return AuditEntry(
        now, actor, "policy:resource:set", "resource-policy", "a" * 64, "b" * 64, "why"
    )


def append(stores: Stores, entry: AuditEntry) -> AuditRecord:
    """One entry in a transaction of its own."""
    with stores.transaction():
        return stores.audit.append(entry)


def oldest_first(stores: Stores) -> list[AuditRecord]:
    """The whole log."""
    return stores.audit.page(before=None, limit=1000)[::-1]


def test_a_changed_past_shows(sql: Stores, database: Database, entry: AuditEntry) -> None:
    """Whoever edits a row breaks the chain there."""
    for _ in range(3):
        append(sql, entry)
    with database.transaction():
        database.writing().execute(
            text("UPDATE audit_records SET actor = 'mallory' WHERE sequence = 2")
        )
    assert first_broken_link(oldest_first(sql)) == 2


def test_an_entry_of_a_transaction_that_failed_leaves_no_gap(
    stores: Stores, entry: AuditEntry
) -> None:
    """The number of an action that did not happen goes to the next one that does."""
    append(stores, entry)
    with failing(stores):
        stores.audit.append(entry)
    assert append(stores, entry).sequence == 2
    assert first_broken_link(oldest_first(stores)) is None


def test_records_come_back_as_they_were_chained(stores: Stores, entry: AuditEntry) -> None:
    """What the digest was taken over is what is read again."""
    first, second = append(stores, entry), append(stores, entry)
    assert (first.sequence, first.previous, second.previous) == (1, GENESIS, first.digest)
    assert oldest_first(stores) == [first, second]


def test_the_token_that_acted_comes_back_and_chains(sql: Stores, entry: AuditEntry) -> None:
    """Its id and label are of the record, and of its digest."""
    by_token = replace(entry.actor, token=ActingToken("0" * 16, "ci"))
    appended = append(sql, replace(entry, actor=by_token))
    (found,) = sql.audit.page(before=None, limit=1)
    assert found == appended
    other = replace(entry, actor=replace(by_token, token=ActingToken("0" * 16, "other")))
    assert chain_digest(1, found.entry, GENESIS) != chain_digest(1, other, GENESIS)


def test_a_time_of_another_zone_chains(sql: Stores, entry: AuditEntry, now: datetime) -> None:
    """The database returns times in UTC; the digest is taken over that form."""
    elsewhere = now.astimezone(timezone(timedelta(hours=5, minutes=30)))
    append(sql, AuditEntry(elsewhere, entry.actor, entry.action, entry.subject))
    assert first_broken_link(oldest_first(sql)) is None


def test_pages_go_back_in_time(stores: Stores, entry: AuditEntry) -> None:
    """The newest page first, then what came before it."""
    for _ in range(5):
        append(stores, entry)
    newest = stores.audit.page(before=None, limit=2)
    assert [record.sequence for record in newest] == [5, 4]
    older = stores.audit.page(before=4, limit=10)
    assert [record.sequence for record in older] == [3, 2, 1]


def test_the_chain_has_no_gap_when_many_append_at_once(sql: Stores, entry: AuditEntry) -> None:
    """Eight threads with ten entries each make one chain of eighty."""

    def work(_: int) -> None:
        for _ in range(10):
            append(sql, entry)

    at_once(8, work)
    records = oldest_first(sql)
    assert [record.sequence for record in records] == list(range(1, 81))
    assert first_broken_link(records) is None


@pytest.fixture
def various(stores: Stores, entry: AuditEntry) -> Stores:
    """Six records: by two actors, of two actions, about two subjects, a minute apart."""
    for number in range(6):
        actor = Actor(("ann", "bob")[number % 2], "owner")
        append(
            stores,
            AuditEntry(
                entry.at + timedelta(minutes=number),
                actor,
                ("a:b:c", "d:e:f")[number // 3],
                ("x", "y")[number // 2 % 2],
            ),
        )
    return stores


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"actor": "ann"}, [5, 3, 1]),
        ({"action": "d:e:f"}, [6, 5, 4]),
        ({"subject": "y"}, [4, 3]),
        ({"actor": "bob", "action": "a:b:c"}, [2]),
        ({"actor": "nobody"}, []),
        ({"limit": 2}, [6, 5]),
        ({"before": 3}, [2, 1]),
        ({"before": 99}, [6, 5, 4, 3, 2, 1]),
        ({"actor": "ann", "before": 5, "limit": 1}, [3]),
    ],
)
def test_filters_find(various: Stores, wanted: dict[str, Any], found: list[int]) -> None:
    """What is asked for, newest first, page by page."""
    assert [r.sequence for r in various.audit.search(AuditQuery(**wanted))] == found


def test_times_bound_a_list(various: Stores, now: datetime) -> None:
    """From the first time on, up to but without the second."""
    query = AuditQuery(since=now + MINUTE, until=now + 3 * MINUTE)
    assert [r.sequence for r in various.audit.search(query)] == [3, 2]


def test_pages_by_time_lose_nothing_where_clocks_disagree(
    stores: Stores, entry: AuditEntry
) -> None:
    """A machine whose clock is behind appends after one whose clock is ahead."""
    for minutes in (5, 1, 5, 2, 5):
        append(stores, replace(entry, at=entry.at + timedelta(minutes=minutes)))
    seen: list[int] = []
    before = None
    while page := stores.audit.search(AuditQuery(actor="alice", before=before, limit=2)):
        seen += [record.sequence for record in page]
        before = seen[-1]
    assert seen == [5, 3, 1, 4, 2]


def test_actions_are_listed_once(various: Stores) -> None:
    """For the choice of a filter."""
    assert various.audit.actions() == ["a:b:c", "d:e:f"]


def test_an_empty_log_has_no_actions(stores: Stores) -> None:
    """Nothing, and no row of nothing."""
    assert stores.audit.actions() == []


def test_marks_are_replaced(stores: Stores, now: datetime) -> None:
    """One of each kind."""
    assert stores.audit.mark(MarkKind.ANCHOR) is None
    for sequence in (3, 7):
        with stores.transaction():
            stores.audit.set_mark(MarkKind.ANCHOR, AuditMark(sequence, "d" * 64, now))
    assert stores.audit.mark(MarkKind.ANCHOR) == AuditMark(7, "d" * 64, now)
    assert stores.audit.mark(MarkKind.CHECKPOINT) is None


def test_pruning_takes_the_old_end_only(various: Stores, entry: AuditEntry) -> None:
    """What is appended afterwards goes on counting, and chains."""
    with various.transaction():
        various.audit.lock()
        assert various.audit.prune(4) == 4
    assert various.audit.find(4) is None
    assert [r.sequence for r in various.audit.following(0, 10)] == [5, 6]
    added = append(various, entry)
    sixth = various.audit.find(6)
    assert sixth is not None
    assert (added.sequence, added.previous) == (7, sixth.digest)
