"""The audit chain shows every change of the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from audit_chains import first_broken_link

from app.trust.audit import (
    GENESIS,
    Actor,
    AuditEntry,
    AuditRecord,
    chain_digest,
)

ENTRY = AuditEntry(
    datetime(2026, 11, 24, tzinfo=UTC), Actor("ann", "owner"), "policy:attestation:set", "default"
)


def chain(length: int) -> list[AuditRecord]:
    """A chain that holds."""
    records: list[AuditRecord] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        digest = chain_digest(sequence, ENTRY, previous)
        records.append(AuditRecord(sequence, ENTRY, previous, digest))
        previous = digest
    return records


def test_an_honest_chain_holds() -> None:
    """Nothing is reported of a chain that nobody touched."""
    assert first_broken_link(chain(5)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"action": "x"},
        {"subject": "x"},
        {"before": "x"},
        {"after": "x"},
        {"note": "x"},
        {"actor": Actor("bob", "owner")},
        {"actor": Actor("ann", "viewer")},
        {"actor": Actor("ann", "owner", "10.0.0.1")},
        {"at": datetime(2026, 11, 25, tzinfo=UTC)},
    ],
)
def test_a_changed_record_is_found(change: dict[str, object]) -> None:
    """Every member of a record is under its digest."""
    records = chain(5)
    records[2] = replace(records[2], entry=replace(ENTRY, **change))
    assert first_broken_link(records) == 3


def test_records_from_before_there_were_notes_keep_their_digest() -> None:
    """The chain of an older release still holds; this digest was made by one."""
    assert chain_digest(1, ENTRY, GENESIS) == (
        "c26cebb00a8c2653f033cbead2a9397db22e2a5bbda0850964365c0a8f2f2a65"
    )


def test_a_removed_record_is_found() -> None:
    """The one behind a gap no longer chains."""
    records = chain(5)
    del records[1]
    assert first_broken_link(records) == 3


def test_a_recomputed_record_is_found() -> None:
    """Whoever computes a digest afresh breaks the next record."""
    records = chain(5)
    forged = replace(ENTRY, subject="other")
    digest = chain_digest(3, forged, records[1].digest)
    records[2] = AuditRecord(3, forged, records[1].digest, digest)
    assert first_broken_link(records) == 4
