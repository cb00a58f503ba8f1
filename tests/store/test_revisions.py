"""The counters."""

from __future__ import annotations

from datetime import datetime

from store.every_port import Stores, failing

from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyText


def test_a_write_that_rolls_back_leaves_the_counter(sql: Stores, now: datetime) -> None:
    """What did not happen is not announced."""
    before = sql.revisions.current()
    policy = PolicyText.of("p", "package policy")
    with failing(sql):
        sql.policies.append(PolicyKind.RESOURCE, policy, "p", now, "a")
    assert sql.revisions.current() == before


def test_each_kind_has_a_counter_of_its_own(stores: Stores, now: datetime) -> None:
    """A change of policies reloads policies and nothing else."""
    before = stores.revisions.current()
    with stores.transaction():
        stores.policies.append(
            PolicyKind.RESOURCE, PolicyText.of("p", "package policy"), "p", now, "a"
        )
    after = stores.revisions.current()
    assert after.policies == before.policies + 1
    assert (after.reference_values, after.signing_keys, after.issuers) == (
        before.reference_values,
        before.signing_keys,
        before.issuers,
    )
