"""Sealed keys: one of each state that there can be one of."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from store.every_port import Stores
from store.threads import at_once

from app.trust.errors import ConflictError, NotFoundError
from app.trust.signing_keys import KeyPurpose, KeyState, StoredKey


@pytest.fixture
def key(now: datetime) -> StoredKey:
    """A current token key."""
    return StoredKey(
        "thumbprint-1",
        KeyPurpose.TOKEN,
        KeyState.CURRENT,
        b"\x00sealed\xff",
        {"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ"},
        "-----BEGIN CERTIFICATE-----\n",
        now,
    )


def add(stores: Stores, *keys: StoredKey) -> None:
    """Each key in a transaction of its own."""
    for key in keys:
        with stores.transaction():
            stores.keys.add(key)


@pytest.mark.parametrize("state", [KeyState.CURRENT, KeyState.NEXT])
def test_there_is_one_key_of_a_state_that_signs_or_will(
    stores: Stores, key: StoredKey, state: KeyState
) -> None:
    """Two current keys would sign side by side."""
    add(stores, replace(key, state=state))
    with pytest.raises(ConflictError):
        add(stores, replace(key, key_id="thumbprint-2", state=state))
    assert [found.key_id for found in stores.keys.all(KeyPurpose.TOKEN)] == ["thumbprint-1"]


def test_a_key_id_is_taken_once(stores: Stores, key: StoredKey) -> None:
    """Two keys of one id could not be told apart by a verifier."""
    add(stores, key)
    with pytest.raises(ConflictError):
        add(stores, replace(key, state=KeyState.RETIRED))


def test_a_second_key_cannot_become_current(sql: Stores, key: StoredKey) -> None:
    """The database holds the rule, not the order in which a service works."""
    add(sql, key, replace(key, key_id="thumbprint-2", state=KeyState.NEXT))
    with pytest.raises(ConflictError), sql.transaction():
        sql.keys.set_state("thumbprint-2", KeyState.CURRENT)


def test_a_key_that_is_gone_cannot_become_current(sql: Stores) -> None:
    """A rotation that finds its next key removed must not end without a current one."""
    with pytest.raises(NotFoundError), sql.transaction():
        sql.keys.set_state("thumbprint-1", KeyState.CURRENT)


def test_every_part_of_a_key_comes_back(stores: Stores, key: StoredKey, now: datetime) -> None:
    """What was sealed opens only when it returns to the byte."""
    retired = replace(
        key, key_id="old", state=KeyState.RETIRED, retires_at=now + timedelta(hours=1)
    )
    add(stores, retired, key)
    assert {found.key_id: found for found in stores.keys.all(KeyPurpose.TOKEN)} == {
        "old": retired,
        "thumbprint-1": key,
    }


def test_keys_come_newest_first(stores: Stores, key: StoredKey, now: datetime) -> None:
    """The order in which a key set is published."""
    add(
        stores,
        replace(key, key_id="old", state=KeyState.RETIRED, created_at=now - timedelta(days=1)),
        key,
    )
    found = stores.keys.all(KeyPurpose.TOKEN)
    assert [stored.key_id for stored in found] == ["thumbprint-1", "old"]


def test_purposes_do_not_meet(stores: Stores, key: StoredKey) -> None:
    """A session key is no token key, though both are current."""
    add(stores, key, replace(key, key_id="other", purpose=KeyPurpose.SESSION))
    assert [found.key_id for found in stores.keys.all(KeyPurpose.SESSION)] == ["other"]


def test_a_rotation_is_one_transaction(stores: Stores, key: StoredKey, now: datetime) -> None:
    """Retire, promote and add: at no moment are there two current keys, or none."""
    add(stores, key, replace(key, key_id="thumbprint-2", state=KeyState.NEXT))
    retires_at = now + timedelta(hours=1)
    with stores.transaction():
        stores.keys.set_state("thumbprint-1", KeyState.RETIRED, retires_at)
        stores.keys.set_state("thumbprint-2", KeyState.CURRENT)
        stores.keys.add(replace(key, key_id="thumbprint-3", state=KeyState.NEXT))
    found = {stored.key_id: stored for stored in stores.keys.all(KeyPurpose.TOKEN)}
    assert [found[f"thumbprint-{n}"].state for n in (1, 2, 3)] == ["retired", "current", "next"]
    assert found["thumbprint-1"].retires_at == retires_at


def test_replicas_that_start_at_once_agree_on_one_first_key(sql: Stores, key: StoredKey) -> None:
    """Of four that make the first current key one succeeds, the others find its key."""

    def make(number: int) -> bool:
        try:
            add(sql, replace(key, key_id=f"replica-{number}"))
        except ConflictError:
            return False
        return True

    assert at_once(4, make).count(True) == 1
    assert len(sql.keys.all(KeyPurpose.TOKEN)) == 1


def test_each_change_of_the_key_set_raises_the_counter(stores: Stores, key: StoredKey) -> None:
    """Every worker must see an added, moved or removed key at its next request."""
    seen = [stores.revisions.current().signing_keys]
    add(stores, key)
    seen.append(stores.revisions.current().signing_keys)
    with stores.transaction():
        stores.keys.set_state(key.key_id, KeyState.RETIRED)
    seen.append(stores.revisions.current().signing_keys)
    with stores.transaction():
        stores.keys.remove(key.key_id)
    seen.append(stores.revisions.current().signing_keys)
    assert seen == sorted(set(seen))
    assert stores.keys.all(KeyPurpose.TOKEN) == []


def test_rewrapped_material_replaces_the_old(stores: Stores, key: StoredKey) -> None:
    """Rotation of the key-encryption key touches nothing else of a key."""
    add(stores, key)
    with stores.transaction():
        stores.keys.replace_sealed(key.key_id, b"rewrapped")
        stores.keys.replace_sealed("gone", b"rewrapped")
    assert stores.keys.all(KeyPurpose.TOKEN) == [replace(key, sealed_private=b"rewrapped")]
