"""Operators' accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from app.console.operators import Operator
from app.console.permissions import Role
from app.store.database import Database
from app.store.operators import SQLOperatorStore
from app.trust.errors import ConflictError


@pytest.fixture
def store(database: Database) -> SQLOperatorStore:
    """Accounts on each engine."""
    return SQLOperatorStore(database)


@pytest.fixture
def alice(now: datetime) -> Operator:
    """An account with a one-time password."""
    return Operator("alice", Role.OWNER, "$argon2id$v=19$", one_time=True, epoch=1, created_at=now)


def test_an_unknown_name_finds_nothing(store: SQLOperatorStore) -> None:
    """There is no account before there is one."""
    assert store.find("alice") is None
    assert store.all() == []


def test_a_name_is_taken_once(store: SQLOperatorStore, database: Database, alice: Operator) -> None:
    """A second account of one name would be a second password for it."""
    with database.transaction():
        store.add(alice)
    with pytest.raises(ConflictError), database.transaction():
        store.add(replace(alice, role=Role.VIEWER))
    assert store.find("alice") == alice


def test_a_replaced_account_is_changed_alone(
    store: SQLOperatorStore, database: Database, alice: Operator
) -> None:
    """Changing one password leaves every other account."""
    bob = replace(alice, name="bob")
    changed = replace(alice, password_hash="$argon2id$other", one_time=False, epoch=2)
    with database.transaction():
        store.add(bob)
        store.add(alice)
        store.replace(changed)
    assert store.all() == [changed, bob]
