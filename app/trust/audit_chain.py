"""Is the audit log what was written? Verified in slices, from a place that is believed.

A chain shows changes and gaps. What a chain alone cannot show is that its newest records were cut
off, or that its oldest were taken away: the checkpoint remembers how far the chain was seen, and
the anchor where it begins since records were pruned, which a record in the chain has to confirm.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.trust.audit import (
    BEGINNING,
    AuditLog,
    AuditMark,
    AuditQuery,
    AuditRecord,
    MarkKind,
    chain_digest,
)

PRUNE_ACTION = "audit:log:prune"


@dataclass(frozen=True, slots=True)
class Break:
    """Where the log is not what was written.

    Attributes:
        sequence: of the record at which it shows.
        why: a sentence.
    """

    sequence: int
    why: str


@dataclass(frozen=True, slots=True)
class Slice:
    """What verifying a part of the log found.

    Attributes:
        reached: the last record up to which the chain holds.
        checked: how many records were looked at.
        broken: the first that does not chain.
        is_end: whether the newest record was reached.
    """

    reached: AuditMark
    checked: int
    broken: Break | None
    is_end: bool


def anchor_of(log: AuditLog) -> AuditMark:
    """Where the chain begins: before the first record, or after the last one that was pruned."""
    return log.mark(MarkKind.ANCHOR) or BEGINNING


def verify_slice(log: AuditLog, start: AuditMark, limit: int) -> Slice:
    """Verify the records that follow a place which is believed.

    Args:
        log: the audit log.
        start: the chain is believed up to here.
        limit: look at so many records at most.
    """
    records = log.following(start.sequence, limit)
    reached = start
    for record in records:
        broken = broken_link(record, reached)
        if broken is not None:
            return Slice(reached, record.sequence - start.sequence, broken, is_end=False)
        reached = AuditMark(record.sequence, record.digest)
    return Slice(reached, len(records), None, is_end=len(records) < limit)


def broken_link(record: AuditRecord, before: AuditMark) -> Break | None:
    """How a record fails to follow a place in the chain; ``None`` when it does follow."""
    if record.sequence != before.sequence + 1:
        return Break(record.sequence, f"the records after {before.sequence} are missing")
    if record.previous != before.digest:
        return Break(record.sequence, "it does not chain to the record before it")
    if record.digest != chain_digest(record.sequence, record.entry, record.previous):
        return Break(record.sequence, "it is not what was written")
    return None


def verify_marks(log: AuditLog) -> Break | None:
    """Whether the log still has both of its ends: nothing cut off, nothing taken away silently."""
    checkpoint = log.mark(MarkKind.CHECKPOINT)
    anchor = anchor_of(log)
    if checkpoint is not None and checkpoint.sequence > anchor.sequence:
        seen = log.find(checkpoint.sequence)
        if seen is None:
            return Break(checkpoint.sequence, "this record was seen before and is gone")
        if seen.digest != checkpoint.digest:
            return Break(checkpoint.sequence, "it is not what was seen before")
    if anchor.sequence and not _is_confirmed(log, anchor):
        return Break(anchor.sequence, "no record says that the records up to it were pruned")
    return None


def _is_confirmed(log: AuditLog, anchor: AuditMark) -> bool:
    """Whether the newest record about pruning is about exactly this anchor."""
    found = log.search(AuditQuery(action=PRUNE_ACTION, limit=1))
    return bool(found) and found[0].entry.after == anchor.digest
