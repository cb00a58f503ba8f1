"""The audit log: one chain, whoever appends."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from store.every_port import Stores, failing
from store.threads import at_once

from app.store.database import Database
from app.trust.audit import GENESIS, Actor, AuditEntry, AuditRecord, first_broken_link


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
