"""Operators' accounts: roles change at once, and the house never runs out of owners."""

from __future__ import annotations

from dataclasses import replace

import pytest
from account_fakes import MemoryOperators
from argon2 import PasswordHasher
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.operators import Operator, OperatorService
from app.console.permissions import Role
from app.trust.audit import Actor
from app.trust.errors import ConflictError, OperatorNotFoundError, UnauthenticatedError

OWNER = Actor("ann", Role.OWNER)


class Bench:
    """Two accounts, one of them the only owner's."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.ended: list[str] = []
        self.forgiven: list[str] = []
        ann = Operator("ann", Role.OWNER, "-", one_time=False, epoch=1, created_at=NOON)
        self.service = OperatorService(
            operators=MemoryOperators(self.db, ann, replace(ann, name="bob", role=Role.VIEWER)),
            audit=MemoryAuditLog(self.db),
            transactions=self.db.transactions,
            clock=FakeClock(),
            hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
            decoy_hash=lambda: "",
            end_sessions=self.ended.append,
            forgive=self.forgiven.append,
        )


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


@pytest.mark.parametrize(
    ("name", "error"), [("ann", ConflictError), ("carl", OperatorNotFoundError)]
)
def test_refuses_to_lose_the_last_owner_or_to_change_nobody(
    bench: Bench, name: str, error: type[Exception]
) -> None:
    """Nothing is written down of a change that did not happen."""
    with pytest.raises(error):
        bench.service.change_role(name, Role.VIEWER, OWNER)
    assert bench.db.audit == []


def test_a_change_of_role_is_written_down(bench: Bench) -> None:
    """The audit record names the role before and after."""
    assert bench.service.change_role("bob", Role.OWNER, OWNER).role is Role.OWNER
    assert bench.service.change_role("ann", Role.AUDITOR, OWNER).role is Role.AUDITOR
    entry = bench.db.audit[0].entry
    assert (entry.action, entry.subject) == ("operators:role:change", "bob")
    assert (entry.before, entry.after) == ("viewer", "owner")


def test_the_last_owner_cannot_be_disabled(bench: Bench) -> None:
    """An installation without an owner could not be mended from the console."""
    with pytest.raises(ConflictError):
        bench.service.disable("ann", OWNER)
    assert bench.service.find("ann") == replace(bench.db.operators["ann"], disabled_at=None)
    assert bench.db.audit == []


def test_a_disabled_owner_does_not_count(bench: Bench) -> None:
    """Of two owners one is disabled; then the other is the last one."""
    bench.service.change_role("bob", Role.OWNER, OWNER)
    bench.service.disable("bob", OWNER)
    with pytest.raises(ConflictError):
        bench.service.change_role("ann", Role.VIEWER, OWNER)


def test_changes_of_authority_end_sessions(bench: Bench) -> None:
    """Whoever is signed in under the old role, password or account has to sign in anew."""
    bench.service.change_role("bob", Role.OPERATOR, OWNER)
    bench.service.reset("bob", OWNER)
    bench.service.disable("bob", OWNER)
    assert bench.ended == ["bob", "bob", "bob"]
    assert bench.forgiven == ["bob"]


def test_a_disabled_account_is_refused_like_a_wrong_password(bench: Bench) -> None:
    """Until it is enabled again; both are written down."""
    password = bench.service.reset("bob", OWNER)
    bench.service.disable("bob", OWNER)
    with pytest.raises(UnauthenticatedError, match="the name or the password is wrong"):
        bench.service.verify_password("bob", password)
    bench.service.enable("bob", OWNER)
    assert bench.service.verify_password("bob", password).name == "bob"
    actions = [record.entry.action for record in bench.db.audit]
    assert actions[-2:] == ["operators:account:disable", "operators:account:enable"]
