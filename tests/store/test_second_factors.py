"""Second factors: one an account, with codes that are spent once and steps that only grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from store.every_port import Stores, failing

from app.console.second_factors import SecondFactor
from app.trust.errors import ConflictError


@pytest.fixture
def factor(now: datetime) -> SecondFactor:
    """One of alice's, with two recovery codes."""
    return SecondFactor("alice", b"sealed", last_step=10, created_at=now)


def test_an_account_has_one(stores: Stores, factor: SecondFactor) -> None:
    """A second one would be a second way in."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one", "two"])
    with pytest.raises(ConflictError), stores.transaction():
        stores.second_factors.put(replace(factor, sealed_secret=b"other"), ["three"])
    assert stores.second_factors.find("alice") == factor
    assert stores.second_factors.recovery_codes_left("alice") == 2


@pytest.mark.parametrize("step", [9, 10])
def test_a_step_that_has_counted_does_not_count_again(
    stores: Stores, factor: SecondFactor, step: int
) -> None:
    """Nor does one before it."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
        assert not stores.second_factors.advance("alice", step)
    assert stores.second_factors.find("alice") == factor


def test_a_later_step_counts_once(stores: Stores, factor: SecondFactor) -> None:
    """Of two uses of one code the second loses."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
        assert stores.second_factors.advance("alice", 11)
        assert not stores.second_factors.advance("alice", 11)
    assert stores.second_factors.find("alice") == replace(factor, last_step=11)


def test_a_recovery_code_is_spent_once(stores: Stores, factor: SecondFactor) -> None:
    """And by its own account only."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one", "two"])
        assert not stores.second_factors.spend_recovery_code("bob", "one")
        assert stores.second_factors.spend_recovery_code("alice", "one")
        assert not stores.second_factors.spend_recovery_code("alice", "one")
    assert stores.second_factors.recovery_codes_left("alice") == 1


def test_what_was_not_committed_was_not_spent(stores: Stores, factor: SecondFactor) -> None:
    """A sign-in that failed half way costs no code."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
    with failing(stores):
        stores.second_factors.spend_recovery_code("alice", "one")
    assert stores.second_factors.recovery_codes_left("alice") == 1


def test_it_goes_with_its_codes(stores: Stores, factor: SecondFactor) -> None:
    """Nothing of it signs anyone in afterwards."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
        stores.second_factors.put(replace(factor, operator="bob"), ["two"])
        assert stores.second_factors.remove("alice")
        assert not stores.second_factors.remove("alice")
    assert stores.second_factors.recovery_codes_left("alice") == 0
    assert [each.operator for each in stores.second_factors.all()] == ["bob"]


def test_a_secret_is_resealed_alone(stores: Stores, factor: SecondFactor) -> None:
    """Rewrapping touches neither steps nor codes."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
        stores.second_factors.replace_sealed("alice", b"rewrapped")
    assert stores.second_factors.find("alice") == replace(factor, sealed_secret=b"rewrapped")


def test_those_of_a_page_are_told_together(stores: Stores, factor: SecondFactor) -> None:
    """Of the accounts that are asked about, and of no other."""
    with stores.transaction():
        stores.second_factors.put(factor, ["one"])
        stores.second_factors.put(replace(factor, operator="bob"), ["two"])
    assert stores.second_factors.among(["alice", "cleo"]) == {"alice"}
    assert stores.second_factors.among([]) == frozenset()
