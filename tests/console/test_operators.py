"""Operators' accounts: roles change at once, and the house never runs out of owners."""

from __future__ import annotations

from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.operators import Operator, OperatorService
from app.console.permissions import Role
from app.trust.audit import Actor
from app.trust.errors import ConflictError

OWNER = Actor("ann", Role.OWNER)


class MemoryOperators:
    """The port ``OperatorStore``, undone by hand: these tests look at what is refused."""

    def __init__(self, *operators: Operator) -> None:
        self.by_name = {operator.name: operator for operator in operators}

    def find(self, name: str) -> Operator | None:
        """See the port."""
        return self.by_name.get(name)

    def add(self, operator: Operator) -> None:
        """See the port."""
        self.by_name[operator.name] = operator

    def replace(self, operator: Operator) -> None:
        """See the port."""
        self.by_name[operator.name] = operator

    def all(self) -> list[Operator]:
        """See the port."""
        return [self.by_name[name] for name in sorted(self.by_name)]


class Bench:
    """Two accounts, one of them the only owner's."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        ann = Operator("ann", Role.OWNER, "-", one_time=False, epoch=1, created_at=NOON)
        self.service = OperatorService(
            operators=MemoryOperators(ann, replace(ann, name="bob", role=Role.VIEWER)),
            audit=MemoryAuditLog(self.db),
            transactions=self.db.transactions,
            clock=FakeClock(),
            hasher=PasswordHasher(time_cost=1, memory_cost=8),
            decoy_hash=lambda: "",
        )


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


@pytest.mark.parametrize("name", ["ann", "carl"])
def test_refuses_to_lose_the_last_owner_or_to_change_nobody(bench: Bench, name: str) -> None:
    """Nothing is written down of a change that did not happen."""
    with pytest.raises(ConflictError):
        bench.service.change_role(name, Role.VIEWER, OWNER)
    assert bench.db.audit == []


def test_a_change_of_role_is_written_down(bench: Bench) -> None:
    """The audit record names the role before and after."""
    assert bench.service.change_role("bob", Role.OWNER, OWNER).role is Role.OWNER
    assert bench.service.change_role("ann", Role.AUDITOR, OWNER).role is Role.AUDITOR
    entry = bench.db.audit[0].entry
    assert (entry.action, entry.subject) == ("operators:role:change", "bob")
    assert (entry.before, entry.after) == ("viewer", "owner")
