"""What policies are kept with, in memory."""

from __future__ import annotations

from fakes import FakeClock, MemoryAuditLog, MemoryDatabase, MemoryExamples

from app.trust.approvals import ChangeRule
from app.trust.kept_policies import PolicyKeeping
from app.trust.policies import PolicyStore
from app.trust.policy_engine import PolicyEngine


def keeping(
    db: MemoryDatabase, store: PolicyStore, engine: PolicyEngine, clock: FakeClock | None = None
) -> PolicyKeeping:
    """What policies are kept with, on a database in memory; one person changes them alone."""
    return PolicyKeeping(
        store=store,
        engine=engine,
        audit=MemoryAuditLog(db),
        transactions=db.transactions,
        clock=clock or FakeClock(),
        rule=ChangeRule(),
        examples=MemoryExamples(db),
    )
