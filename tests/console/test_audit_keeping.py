"""The audit log verified piece by piece, and pruned behind an anchor that the chain confirms."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import fakes
import pytest

from app.console import audit_keeping
from app.console.audit_keeping import AuditKeeping
from app.trust.audit import Actor, AuditEntry, AuditMark, MarkKind, chain_digest
from app.trust.errors import ConflictError

ANN = Actor("ann", "owner")
DAY = timedelta(days=1)


@pytest.fixture
def db() -> fakes.MemoryDatabase:
    """An empty database."""
    return fakes.MemoryDatabase()


@pytest.fixture
def clock() -> fakes.FakeClock:
    """Noon."""
    return fakes.FakeClock()


@pytest.fixture
def keeping(db: fakes.MemoryDatabase, clock: fakes.FakeClock) -> AuditKeeping:
    """Ten records, one a day, the newest of today; three days are kept."""
    log = fakes.MemoryAuditLog(db)
    for number in range(10):
        with db.transactions():
            log.append(AuditEntry(clock.now() - (9 - number) * DAY, ANN, "a:b:c", f"s{number}"))
    return AuditKeeping(log, db.transactions, clock, 3 * DAY)


def change(db: fakes.MemoryDatabase, sequence: int) -> None:
    """Another subject for a record, with its digest as it was."""
    db.audit = [
        replace(r, entry=replace(r.entry, subject="other")) if r.sequence == sequence else r
        for r in db.audit
    ]


def remove(db: fakes.MemoryDatabase, *sequences: int) -> None:
    """Records gone."""
    db.audit = [r for r in db.audit if r.sequence not in sequences]


def broken(keeping: AuditKeeping) -> int | None:
    """Where verifying the whole log finds a break."""
    found = keeping.verify(0)
    return None if found.broken is None else found.broken.sequence


@pytest.mark.parametrize("sequence", [1, 5, 10])
def test_a_changed_record_is_found(
    keeping: AuditKeeping, db: fakes.MemoryDatabase, sequence: int
) -> None:
    """Wherever it is."""
    change(db, sequence)
    assert broken(keeping) == sequence


def test_a_first_record_that_was_taken_away_is_found(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """Nothing says that it was pruned."""
    remove(db, 1)
    assert broken(keeping) == 2


def test_newest_records_that_were_cut_off_are_found(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """The chain of the rest holds, but it was seen to go further."""
    replace_retention(keeping).keep()
    remove(db, 9, 10)
    assert broken(keeping) == 10
    assert keeping.state().broken is not None


def test_a_chain_that_was_written_afresh_is_found_where_it_was_seen(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """Whoever recomputes every digest cannot recompute what was seen."""
    replace_retention(keeping).keep()
    change(db, 5)
    previous, rewritten = "0" * 64, []
    for record in db.audit:
        digest = chain_digest(record.sequence, record.entry, previous)
        rewritten.append(replace(record, previous=previous, digest=digest))
        previous = digest
    db.audit = rewritten
    assert broken(keeping) == 10


def test_an_anchor_that_no_record_confirms_is_found(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """Records taken away and an anchor put down, in silence, is no pruning."""
    third = db.audit[2]
    remove(db, 1, 2, 3)
    db.audit_marks[MarkKind.ANCHOR] = AuditMark(3, third.digest)
    assert broken(keeping) == 3


def test_without_a_retention_nothing_is_pruned(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """Not by housekeeping, and not by a command that names no age."""
    kept_forever = replace_retention(keeping)
    kept_forever.keep()
    with pytest.raises(ConflictError, match="retention_days"):
        kept_forever.prune(ANN)
    assert len(db.audit) == 10


def test_a_broken_record_is_never_pruned(keeping: AuditKeeping, db: fakes.MemoryDatabase) -> None:
    """It is the evidence of what was done to the log."""
    change(db, 2)
    with pytest.raises(ConflictError, match="record 2"):
        keeping.prune(ANN)
    keeping.keep()
    assert len(db.audit) == 10


def test_what_is_left_after_pruning_verifies(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """From the anchor on; and the log says who pruned what."""
    last = db.audit[5].digest
    assert keeping.prune(ANN) == 6
    assert keeping.prune(ANN) == 0
    entry = db.audit[-1].entry
    assert (entry.action, entry.subject, entry.after) == ("audit:log:prune", "1-6", last)
    assert entry.actor == ANN
    assert broken(keeping) is None
    assert keeping.state().anchor.sequence == 6
    assert [r.sequence for r in db.audit] == [7, 8, 9, 10, 11]


def test_pruning_again_goes_on_from_the_anchor(
    keeping: AuditKeeping, db: fakes.MemoryDatabase, clock: fakes.FakeClock
) -> None:
    """The record about the first pruning is pruned in its turn, and another confirms the anchor."""
    keeping.prune(ANN)
    clock.forward(days=30)
    assert keeping.prune(ANN) == 5
    assert [r.sequence for r in db.audit] == [12]
    assert broken(keeping) is None


def test_housekeeping_moves_the_checkpoint_and_prunes(
    keeping: AuditKeeping, db: fakes.MemoryDatabase
) -> None:
    """What is newer than the checkpoint is verified when somebody looks."""
    keeping.keep()
    state = keeping.state()
    assert (state.checkpoint.sequence, state.anchor.sequence) == (10, 6)
    assert state.since.checked == 1
    assert state.is_whole


def test_a_long_log_is_verified_in_slices(
    keeping: AuditKeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on where the one before it ended."""
    monkeypatch.setattr(audit_keeping, "LONG_SLICE", 4)
    reached, ends = [0], []
    while not ends or not ends[-1]:
        found = keeping.verify(reached[-1])
        reached.append(found.reached.sequence)
        ends.append(found.is_end)
    assert reached == [0, 4, 8, 10]


def test_a_slice_from_a_record_that_is_gone_is_broken(keeping: AuditKeeping) -> None:
    """Nothing to go on from."""
    found = keeping.verify(99)
    assert found.broken is not None


def replace_retention(keeping: AuditKeeping) -> AuditKeeping:
    """The same without a retention."""
    return replace(keeping, retention=None)
