"""Operators' accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from store.every_port import Stores

from app.console.operators import Operator
from app.console.permissions import Role
from app.trust.errors import ConflictError


@pytest.fixture
def alice(now: datetime) -> Operator:
    """An account with a one-time password."""
    return Operator("alice", Role.OWNER, "$argon2id$v=19$", one_time=True, epoch=1, created_at=now)


def test_an_unknown_name_finds_nothing(stores: Stores) -> None:
    """There is no account before there is one."""
    assert stores.operators.find("alice") is None
    assert stores.operators.all() == []


def test_a_name_is_taken_once(stores: Stores, alice: Operator) -> None:
    """A second account of one name would be a second password for it."""
    with stores.transaction():
        stores.operators.add(alice)
    with pytest.raises(ConflictError), stores.transaction():
        stores.operators.add(replace(alice, role=Role.VIEWER))
    assert stores.operators.find("alice") == alice


def test_a_replaced_account_is_changed_alone(stores: Stores, alice: Operator) -> None:
    """Changing one password leaves every other account."""
    bob = replace(alice, name="bob")
    changed = replace(alice, password_hash="$argon2id$other", one_time=False, epoch=2)
    with stores.transaction():
        stores.operators.add(bob)
        stores.operators.add(alice)
        stores.operators.replace(changed)
    assert stores.operators.all() == [changed, bob]


def test_a_sign_in_changes_nothing_else(stores: Stores, alice: Operator, now: datetime) -> None:
    """What was changed meanwhile, such as the role, is not written over."""
    with stores.transaction():
        stores.operators.add(alice)
        stores.operators.lock()
        stores.operators.replace(replace(alice, role=Role.VIEWER, disabled_at=now))
        stores.operators.note_sign_in("alice", now)
    assert stores.operators.find("alice") == replace(
        alice, role=Role.VIEWER, disabled_at=now, last_sign_in_at=now
    )


def test_an_owner_is_found_without_reading_accounts(stores: Stores, alice: Operator) -> None:
    """A disabled one too: what the setup link makes is a first owner, not another one."""
    assert not stores.operators.has_owner()
    with stores.transaction():
        stores.operators.add(replace(alice, name="bob", role=Role.VIEWER))
    assert not stores.operators.has_owner()
    with stores.transaction():
        stores.operators.add(replace(alice, disabled_at=alice.created_at))
    assert stores.operators.has_owner()


def test_a_thousand_accounts_come_by_pages(stores: Stores, alice: Operator) -> None:
    """By name, each page after the last name of the one before, nobody twice or never."""
    names = [f"operator-{number:04}" for number in range(1000)]
    with stores.transaction():
        for name in names:
            stores.operators.add(replace(alice, name=name))
    found, after = list[str](), None
    while page := stores.operators.page(after=after, limit=300):
        found += [each.name for each in page]
        after = page[-1].name
    assert found == names
