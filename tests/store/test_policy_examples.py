"""Examples: kept whole, one of each name, and replaced only as they were seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from store.every_port import Stores

from app.trust.policies import PolicyKind
from app.trust.policy_examples import PolicyExample

KIND = PolicyKind.RESOURCE


@pytest.fixture
def example(now: datetime) -> PolicyExample:
    """An example of a resource policy."""
    data = {"plugin": "resource", "resource-path": ["a"], "query": {}}
    expected = {"outcome": "denied"}
    return PolicyExample(KIND, "p", "one", {"b": [1, 2**60]}, data, {}, expected, 1, now, "ada")


def test_what_is_kept_is_what_is_read(stores: Stores, example: PolicyExample) -> None:
    """By name, and only those of the policy."""
    other = replace(example, name="another")
    with stores.transaction():
        assert stores.examples.put(example, seen=0)
        assert stores.examples.put(other, seen=0)
        assert stores.examples.put(replace(example, policy_id="q"), seen=0)
    assert stores.examples.all(KIND, "p") == [other, example]
    assert stores.examples.all(PolicyKind.ATTESTATION, "p") == []


@pytest.mark.parametrize("seen", [0, 2])
def test_what_was_not_seen_is_not_replaced(
    stores: Stores, example: PolicyExample, seen: int
) -> None:
    """A name is taken once, and an edit is of one revision."""
    with stores.transaction():
        stores.examples.put(example, seen=0)
    changed = replace(example, expected={"outcome": "allowed"}, revision=seen + 1)
    with stores.transaction():
        assert not stores.examples.put(changed, seen=seen)
        assert not stores.examples.remove(KIND, "p", "one", seen=seen)
    assert stores.examples.all(KIND, "p") == [example]


def test_examples_are_replaced_and_removed(stores: Stores, example: PolicyExample) -> None:
    """By whoever saw the revision that is there."""
    changed = replace(example, expected={"outcome": "allowed"}, revision=2)
    with stores.transaction():
        stores.examples.put(example, seen=0)
        assert stores.examples.put(changed, seen=1)
    assert stores.examples.all(KIND, "p") == [changed]
    with stores.transaction():
        assert stores.examples.remove(KIND, "p", "one", seen=2)
        assert not stores.examples.remove(KIND, "p", "one", seen=2)
    assert stores.examples.all(KIND, "p") == []
