"""Sealed secrets: versions are appended, the newest is released, deleting keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from store.every_port import Stores, failing
from store.threads import at_once

from app.broker.secrets import (
    DeletedSecret,
    PathPrefix,
    ResourceID,
    SealedSecret,
    SecretVersion,
)
from app.trust.errors import ConflictError, MalformedResourceError

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
        assert stores.secrets.delete(PATH, now, "bob") is False
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
        assert stores.secrets.delete(PATH, now, "bob") is True
    with stores.transaction():
        assert stores.secrets.delete(PATH, now, "bob") is False
    assert stores.secrets.find(PATH) is None
    assert stores.secrets.page(after=None, limit=10) == []
    assert stores.secrets.versions(PATH) == [replace(version(1, now), active=False)]
    assert stores.secrets.sealed_versions() == [SealedSecret(PATH, 1, b"sealed 1")]


def test_a_deleted_secret_comes_back_with_a_new_number(stores: Stores, now: datetime) -> None:
    """A number is never given twice: the seal is bound to it."""
    add(stores, now)
    with stores.transaction():
        stores.secrets.delete(PATH, now, "bob")
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
        stores.secrets.delete(ResourceID("c", "x", "1"), now, "bob")
    assert stores.secrets.folders((), after=None, limit=10) == ["a", "b"]
    assert stores.secrets.folders((), after=None, limit=1) == ["a"]
    assert stores.secrets.folders((), after="a", limit=10) == ["b"]
    assert stores.secrets.folders(("a",), after=None, limit=10) == ["x", "y"]
    assert stores.secrets.folders(("a",), after="x", limit=10) == ["y"]
    assert stores.secrets.folders(("c",), after=None, limit=10) == []
    assert len(stores.secrets.page(after=None, limit=10, within=PathPrefix(("a",)))) == 3
    within = PathPrefix(("a", "y"))
    page = stores.secrets.page(after=ResourceID("a", "y", "1"), limit=10, within=within)
    assert [str(each.resource_id) for each in page] == ["a/y/2"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("a", ["a/x/1", "a/x/2", "a/xy/1", "ab/x/1"]),
        ("a/", ["a/x/1", "a/x/2", "a/xy/1"]),
        ("a/x", ["a/x/1", "a/x/2", "a/xy/1"]),
        ("a/x/", ["a/x/1", "a/x/2"]),
        ("a/x/2", ["a/x/2"]),
        ("a/x/3", []),
        ("B", []),
    ],
)
def test_a_search_finds_what_begins_so(
    stores: Stores, now: datetime, prefix: str, found: list[str]
) -> None:
    """From the beginning of a segment on, in the order of paths, and page by page."""
    for path in ("ab/x/1", "a/xy/1", "b/x/1", "a/x/2", "a/x/1"):
        add(stores, now, ResourceID.of(path.split("/")))
    within = PathPrefix.parse(prefix)
    paged: list[str] = []
    after = None
    while page := stores.secrets.page(after=after, limit=1, within=within):
        paged.append(str(page[0].resource_id))
        after = page[0].resource_id
    assert paged == found
    assert str(within) == prefix


@pytest.mark.parametrize("prefix", ["/a", "a//", "a/b/c/", "a/b/c/d", "%", ".a", "a/.", "ä", "a b"])
def test_no_path_begins_so(prefix: str) -> None:
    """What no path can begin with is told instead of not found."""
    with pytest.raises(MalformedResourceError):
        PathPrefix.parse(prefix)


def test_a_page_that_begins_before_or_after_its_prefix(stores: Stores, now: datetime) -> None:
    """The place of a page and the prefix of a list both count."""
    for path in ("a/x/1", "b/x/1", "c/x/1"):
        add(stores, now, ResourceID.of(path.split("/")))
    within = PathPrefix(("b",))
    before, beyond = ResourceID("a", "z", "z"), ResourceID("c", "a", "a")
    assert len(stores.secrets.page(after=before, limit=9, within=within)) == 1
    assert stores.secrets.page(after=beyond, limit=9, within=within) == []


def test_versions_are_paged_and_found_by_number(stores: Stores, now: datetime) -> None:
    """A secret may have had very many."""
    for _ in range(3):
        add(stores, now)
    assert [v.version for v in stores.secrets.versions(PATH, limit=2)] == [3, 2]
    assert [v.version for v in stores.secrets.versions(PATH, below=2)] == [1]
    assert stores.secrets.find_version(PATH, 2) == SealedSecret(PATH, 2, b"sealed 2")
    assert stores.secrets.find_version(PATH, 4) is None


def test_a_restored_version_tells_what_it_is_a_copy_of(stores: Stores, now: datetime) -> None:
    """Stored and read like the rest of its metadata."""
    add(stores, now)
    restored = replace(version(2, now), restored_from=1)
    with stores.transaction():
        stores.secrets.add(restored, b"sealed")
    assert stores.secrets.versions(PATH, limit=1) == [restored]


def test_deleted_secrets_are_listed_and_destroyed(stores: Stores, now: datetime) -> None:
    """Who deleted which, when; destroying one erases its versions and keeps its last number."""
    other = ResourceID("a", "b", "c")
    for path in (PATH, other):
        add(stores, now, path)
    later = now + timedelta(microseconds=1)
    with stores.transaction():
        stores.secrets.delete(PATH, now, "bob")
        stores.secrets.delete(other, later, "eve")
    deleted = DeletedSecret(PATH, 1, now, "bob")
    assert stores.secrets.find_deleted(PATH) == deleted
    both = stores.secrets.deleted(after=None, limit=9)
    assert both == [DeletedSecret(other, 1, later, "eve"), deleted]
    assert stores.secrets.deleted(after=other, limit=9) == [deleted]
    assert stores.secrets.deleted(after=None, limit=9, until=now) == [deleted]
    with stores.transaction():
        assert stores.secrets.destroy(deleted) is True
        assert stores.secrets.destroy(deleted) is False
    assert stores.secrets.versions(PATH) == []
    assert stores.secrets.find_deleted(PATH) is None
    assert [each.resource_id for each in stores.secrets.sealed_versions()] == [other]
    assert add(stores, now) == 2


def test_a_secret_that_was_deleted_anew_is_not_destroyed_for_the_first_time(
    stores: Stores, now: datetime
) -> None:
    """It came back in between, and has a whole window of its own."""
    add(stores, now)
    with stores.transaction():
        stores.secrets.delete(PATH, now, "bob")
    first = stores.secrets.find_deleted(PATH)
    add(stores, now)
    assert stores.secrets.find_deleted(PATH) is None
    with stores.transaction():
        stores.secrets.delete(PATH, now + timedelta(days=1), "bob")
    assert first is not None
    with stores.transaction():
        assert stores.secrets.destroy(first) is False
    assert len(stores.secrets.versions(PATH)) == 2
