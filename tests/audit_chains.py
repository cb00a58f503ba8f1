"""Is a list of audit records a chain? For tests that have all of them at hand."""

from __future__ import annotations

from app.trust.audit import BEGINNING, AuditMark, AuditRecord
from app.trust.audit_chain import broken_link


def first_broken_link(records: list[AuditRecord]) -> int | None:
    """The sequence of the first record, oldest first, that does not chain; ``None`` if all do."""
    reached = BEGINNING
    for record in records:
        if broken_link(record, reached) is not None:
            return record.sequence
        reached = AuditMark(record.sequence, record.digest)
    return None
