"""Policies: versions, the active one, concurrent writers."""

from __future__ import annotations

from datetime import datetime

import pytest
from store.every_port import Stores
from store.threads import at_once

from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_engine import PolicyText

KIND = PolicyKind.ATTESTATION


def text(body: str) -> PolicyText:
    """A policy that says ``body``."""
    return PolicyText.of("default_cpu.rego", f"package policy\n# {body} ☂")


def append(
    stores: Stores,
    policy: PolicyText,
    now: datetime,
    policy_id: str = "default_cpu",
    kind: PolicyKind = KIND,
) -> PolicyVersion:
    """One version in a transaction of its own."""
    with stores.transaction():
        return stores.policies.append(kind, policy, policy_id, now, "alice")


def test_nothing_is_found_where_nothing_was_set(stores: Stores) -> None:
    """An empty store has no policy of any kind."""
    assert stores.policies.active(KIND) == {}
    assert stores.policies.versions(KIND, "default_cpu") == []
    assert stores.policies.by_digest("0" * 64) is None


def test_a_writer_outside_of_a_transaction_is_refused(sql: Stores, now: datetime) -> None:
    """A service that forgot its transaction finds out at once."""
    with pytest.raises(RuntimeError, match="inside of a transaction"):
        sql.policies.append(KIND, text("one"), "default_cpu", now, "alice")


def test_the_newest_version_is_the_active_one(stores: Stores, now: datetime) -> None:
    """Appending replaces what decides and keeps what decided."""
    first = append(stores, text("one"), now)
    second = append(stores, text("two"), now)
    assert (first.version, second.version) == (1, 2)
    assert stores.policies.active(KIND) == {"default_cpu": second}
    newest, oldest = stores.policies.versions(KIND, "default_cpu")
    assert newest == second
    assert (oldest.version, oldest.active, oldest.text) == (1, False, first.text)


def test_policies_of_one_name_and_two_kinds_do_not_meet(stores: Stores, now: datetime) -> None:
    """The kind is part of the name."""
    append(stores, text("one"), now)
    append(stores, text("two"), now, kind=PolicyKind.RESOURCE)
    assert stores.policies.active(KIND)["default_cpu"].text == text("one").text
    assert stores.policies.active(PolicyKind.RESOURCE)["default_cpu"].version == 1


def test_a_replaced_version_is_found_by_its_digest(stores: Stores, now: datetime) -> None:
    """Replay needs the text that decided then."""
    append(stores, text("one"), now)
    append(stores, text("two"), now)
    assert stores.policies.by_digest(text("one").digest) == text("one")


def test_the_same_text_again_is_a_version_again(stores: Stores, now: datetime) -> None:
    """Setting back is an action of its own, with its own author and time."""
    append(stores, text("one"), now)
    assert append(stores, text("one"), now).version == 2


def test_writers_at_once_get_one_number_each(sql: Stores, now: datetime) -> None:
    """Of eight concurrent writers none is lost and exactly one is active."""
    made = at_once(8, lambda number: append(sql, text(str(number)), now))
    assert sorted(version.version for version in made) == list(range(1, 9))
    stored = sql.policies.versions(KIND, "default_cpu")
    assert [version.active for version in stored] == [True] + [False] * 7
    assert sql.revisions.current().policies == 8
