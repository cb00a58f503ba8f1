"""Keeping the audit log: verified a piece at a time, and pruned as settings say, never silently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

import structlog

from app.trust.audit import Actor, AuditEntry, AuditLog, AuditMark, AuditRecord, MarkKind
from app.trust.audit_chain import (
    PRUNE_ACTION,
    Break,
    Slice,
    anchor_of,
    broken_link,
    verify_marks,
    verify_slice,
)
from app.trust.clock import Clock
from app.trust.errors import ConflictError
from app.trust.transactions import Transactions

# A page verifies what is newer than the checkpoint: some tens of milliseconds at most.
PAGE_SLICE = 1_000
# What one request, or one round of housekeeping, verifies.
LONG_SLICE = 20_000
# Records that one transaction prunes: appending waits for it.
_PRUNED_AT_ONCE = 2_000
_PRUNES_A_ROUND = 5

HOUSEKEEPING = Actor("housekeeping", "owner")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChainState:
    """How the log stands.

    Attributes:
        anchor: where it begins.
        checkpoint: how far it was verified by housekeeping, and when.
        newest: how far it goes; ``None`` when nothing is on record.
        since: what verifying the records after the checkpoint found.
        broken: the first thing that is wrong.
    """

    anchor: AuditMark
    checkpoint: AuditMark
    newest: int | None
    since: Slice
    broken: Break | None

    @property
    def is_whole(self) -> bool:
        """Whether everything up to the newest record has been verified."""
        return self.broken is None and self.since.is_end


@dataclass(frozen=True, slots=True)
class AuditKeeping:
    """Verifies and prunes.

    Attributes:
        retention: older records are pruned; ``None`` keeps everything.
    """

    log: AuditLog
    transactions: Transactions
    clock: Clock
    retention: timedelta | None = None

    def state(self) -> ChainState:
        """How the log stands, with the records since the checkpoint verified now."""
        anchor = anchor_of(self.log)
        checkpoint = self._checkpoint(anchor)
        found = verify_slice(self.log, checkpoint, PAGE_SLICE)
        newest = self.log.page(before=None, limit=1)
        return ChainState(
            anchor=anchor,
            checkpoint=checkpoint,
            newest=newest[0].sequence if newest else None,
            since=found,
            broken=verify_marks(self.log) or found.broken,
        )

    def verify(self, after: int) -> Slice:
        """Verify a long slice, whatever was verified before.

        Args:
            after: the sequence of the last record that a slice before reached; 0 begins where the
                log begins.
        """
        anchor = anchor_of(self.log)
        if after <= anchor.sequence:
            marks = verify_marks(self.log)
            if marks is not None:
                return Slice(anchor, 0, marks, is_end=False)
            return verify_slice(self.log, anchor, LONG_SLICE)
        reached = self.log.find(after)
        if reached is None:
            gone = Break(after, "this record is gone")
            return Slice(AuditMark(after, ""), 0, gone, is_end=False)
        return verify_slice(self.log, AuditMark(after, reached.digest), LONG_SLICE)

    def keep(self) -> None:
        """One round of housekeeping: move the checkpoint on, prune what is too old."""
        found = verify_slice(self.log, self._checkpoint(anchor_of(self.log)), LONG_SLICE)
        broken = verify_marks(self.log) or found.broken
        if broken is not None:
            _log.error("the audit log is broken", record=broken.sequence, why=broken.why)
            return
        if found.checked:
            mark = AuditMark(found.reached.sequence, found.reached.digest, self.clock.now())
            with self.transactions():
                self.log.set_mark(MarkKind.CHECKPOINT, mark)
        if self.retention is not None:
            self._prune_quietly()

    def prune(self, actor: Actor, *, older_than: timedelta | None = None) -> int:
        """Remove a piece of the records that are too old; how many, 0 when there is none left.

        The records are verified first: what is broken is evidence, and stays. The digest of the
        last one that goes becomes the anchor, and a record of the log says so.

        Args:
            actor: who prunes.
            older_than: instead of the retention of the settings.

        Raises:
            ConflictError: the records do not chain, or nothing says what is too old.
        """
        retention = older_than or self.retention
        if retention is None:
            raise ConflictError("audit.retention_days is not set, so nothing is too old")
        limit = self.clock.now() - retention
        with self.transactions():
            self.log.lock()
            anchor = anchor_of(self.log)
            aged = self._aged(anchor, limit)
            if not aged:
                return 0
            last = aged[-1]
            self.log.append(
                AuditEntry(
                    at=self.clock.now(),
                    actor=actor,
                    action=PRUNE_ACTION,
                    subject=f"{aged[0].sequence}-{last.sequence}",
                    before=anchor.digest,
                    after=last.digest,
                )
            )
            self.log.set_mark(
                MarkKind.ANCHOR, AuditMark(last.sequence, last.digest, self.clock.now())
            )
            return self.log.prune(last.sequence)

    def _aged(self, anchor: AuditMark, limit: datetime) -> list[AuditRecord]:
        """The oldest records that are older than a time, up to the first that is not."""
        records = self.log.following(anchor.sequence, _PRUNED_AT_ONCE)
        aged = list(takewhile(lambda record: record.entry.at < limit, records))
        reached = anchor
        for record in aged:
            broken = broken_link(record, reached)
            if broken is not None:
                raise ConflictError(
                    f"record {broken.sequence} is broken and stays as evidence: {broken.why}"
                )
            reached = AuditMark(record.sequence, record.digest)
        return aged

    def _prune_quietly(self) -> None:
        for _ in range(_PRUNES_A_ROUND):
            try:
                if not self.prune(HOUSEKEEPING):
                    return
            except ConflictError as error:
                _log.error("the audit log is not pruned", reason=error.message)
                return

    def _checkpoint(self, anchor: AuditMark) -> AuditMark:
        found = self.log.mark(MarkKind.CHECKPOINT)
        return anchor if found is None or found.sequence < anchor.sequence else found
