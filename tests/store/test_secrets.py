"""Sealed secrets: versions are appended, the newest is released, deleting keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from store.every_port import Stores, failing
from store.threads import at_once

from app.broker.secrets import ResourceID, SealedSecret, SecretVersion
from app.trust.errors import ConflictError

PATH = ResourceID("default", "demo", "secret")


def version(number: int, now: datetime, path: ResourceID = PATH) -> SecretVersion:
    """What may be told of a version."""
    return SecretVersion(path, number, 32, now, "alice", active=True)


def add(stores: Stores, now: datetime, path: ResourceID = PATH, sealed: bytes | None = None) -> int:
    """The next version in a transaction of its own; its number."""
    with stores.transaction():
        number = stores.secrets.next_version(path)
        stores.secrets.add(version(number, now, path), sealed or b"sealed %d" % number)
    return number


def test_nothing_is_found_where_nothing_was_put(stores: Stores, now: datetime) -> None:
    """A path without a secret has no version, and nothing to delete."""
    assert stores.secrets.find(PATH) is None
    assert stores.secrets.versions(PATH) == []
    assert stores.secrets.sealed_versions() == []
    with stores.transaction():
        assert stores.secrets.next_version(PATH) == 1
        assert stores.secrets.next_version(PATH) == 1
        assert stores.secrets.delete(PATH, now) is False
    assert stores.secrets.page(after=None, limit=10) == []


def test_a_version_is_written_once(stores: Stores, now: datetime) -> None:
    """What was released under a number never changes."""
    add(stores, now)
    with pytest.raises(ConflictError), stores.transaction():
        stores.secrets.add(version(1, now), b"other")
    assert stores.secrets.find(PATH) == SealedSecret(PATH, 1, b"sealed 1")


def test_a_version_of_a_transaction_that_failed_is_gone(stores: Stores, now: datetime) -> None:
    """There is no half-written secret."""
    with failing(stores):
        stores.secrets.add(version(stores.secrets.next_version(PATH), now), b"sealed")
    assert stores.secrets.find(PATH) is None
    assert add(stores, now) == 1


def test_the_newest_version_is_released(stores: Stores, now: datetime) -> None:
    """Adding moves guests to the new version at once."""
    assert [add(stores, now), add(stores, now)] == [1, 2]
    assert stores.secrets.find(PATH) == SealedSecret(PATH, 2, b"sealed 2")
    assert stores.secrets.versions(PATH) == [
        version(2, now),
        replace(version(1, now), active=False),
    ]


def test_a_deleted_secret_keeps_its_versions(stores: Stores, now: datetime) -> None:
    """Guests no longer get it; operators still see what there was."""
    add(stores, now)
    with stores.transaction():
        assert stores.secrets.delete(PATH, now) is True
    with stores.transaction():
        assert stores.secrets.delete(PATH, now) is False
    assert stores.secrets.find(PATH) is None
    assert stores.secrets.page(after=None, limit=10) == []
    assert stores.secrets.versions(PATH) == [replace(version(1, now), active=False)]
    assert stores.secrets.sealed_versions() == [SealedSecret(PATH, 1, b"sealed 1")]


def test_a_deleted_secret_comes_back_with_a_new_number(stores: Stores, now: datetime) -> None:
    """A number is never given twice: the seal is bound to it."""
    add(stores, now)
    with stores.transaction():
        stores.secrets.delete(PATH, now)
    assert add(stores, now) == 2
    assert stores.secrets.find(PATH) == SealedSecret(PATH, 2, b"sealed 2")


def test_pages_are_ordered_by_repository_then_type_then_tag(stores: Stores, now: datetime) -> None:
    """Segment by segment: a dot or a dash sorts before the slash that the joined path has."""
    paths = [
        ResourceID(*each.split("/"))
        for each in ("A/x/x", "a/b/c", "a/b.c/a", "a-b/a/a", "a.b/a/a", "ab/a/A", "ab/a/a")
    ]
    for path in reversed(paths):
        add(stores, now, path)
    first = stores.secrets.page(after=None, limit=4)
    rest = stores.secrets.page(after=first[-1].resource_id, limit=4)
    assert [each.resource_id for each in first + rest] == sorted(paths)


def test_rewrapping_reaches_every_version(stores: Stores, now: datetime) -> None:
    """Also versions that are no longer released may be sealed under an old key."""
    add(stores, now)
    add(stores, now)
    with stores.transaction():
        for sealed in stores.secrets.sealed_versions():
            stores.secrets.replace_sealed(replace(sealed, sealed=b"re" + sealed.sealed))
        stores.secrets.replace_sealed(SealedSecret(PATH, 99, b"purged"))
    assert [each.sealed for each in stores.secrets.sealed_versions()] == [
        b"resealed 1",
        b"resealed 2",
    ]


def test_writers_of_one_secret_at_once_get_one_number_each(sql: Stores, now: datetime) -> None:
    """Eight operators write one new secret at the same moment: eight versions, none lost."""
    numbers = at_once(8, lambda _: add(sql, now))
    assert sorted(numbers) == list(range(1, 9))
    active = [each.version for each in sql.secrets.versions(PATH) if each.active]
    assert active == [8]


def test_large_secrets_come_back_whole(stores: Stores, now: datetime) -> None:
    """A megabyte of every byte value."""
    blob = bytes(range(256)) * 4096
    add(stores, now, sealed=blob)
    found = stores.secrets.find(PATH)
    assert found is not None
    assert found.sealed == blob


def test_a_list_can_stay_within_a_repository_or_a_type(stores: Stores, now: datetime) -> None:
    """What was deleted is in neither list."""
    paths = [("a", "x", "1"), ("a", "y", "1"), ("a", "y", "2"), ("b", "x", "1"), ("c", "x", "1")]
    for path in paths:
        add(stores, now, ResourceID(*path))
    with stores.transaction():
        stores.secrets.delete(ResourceID("c", "x", "1"), now)
    assert stores.secrets.repositories(10) == ["a", "b"]
    assert stores.secrets.repositories(1) == ["a"]
    assert len(stores.secrets.page(after=None, limit=10, within=("a",))) == 3
    page = stores.secrets.page(after=ResourceID("a", "y", "1"), limit=10, within=("a", "y"))
    assert [str(each.resource_id) for each in page] == ["a/y/2"]
