"""The cache of vendor collateral, leases on vendors' services, and the fakes beside them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from simulated.collateral import MemoryCollateralStore, MemoryLeases

from app.attestation.collateral.ports import Collateral, CollateralStore, FetchLeases, State
from app.store.collateral import SQLBundleImports, SQLCollateralStore, SQLFetchLeases
from app.store.database import Database


@pytest.fixture
def store(database: Database) -> SQLCollateralStore:
    """The cache on each engine."""
    return SQLCollateralStore(database)


@pytest.fixture
def document(now: datetime) -> Collateral:
    """A document as a vendor serves it."""
    return Collateral(
        "amd/vcek/milan/abc",
        b"\x30\x82\x00\xff",
        {"issuer-chain": "-----BEGIN%0A"},
        now,
        "https://kds",
    )


def test_an_unknown_name_finds_nothing(store: SQLCollateralStore) -> None:
    """There is nothing before it was fetched."""
    assert store.find("amd/crl/milan") is None


def test_an_older_document_does_not_replace_a_newer_one(
    store: SQLCollateralStore, document: Collateral, now: datetime
) -> None:
    """A slow replica must not bring yesterday's revocation list back."""
    store.put(document)
    store.put(replace(document, unverified_body=b"old", fetched_at=now - timedelta(seconds=1)))
    assert store.find(document.name) == document


def test_a_newer_document_replaces_the_older_one(
    store: SQLCollateralStore, document: Collateral, now: datetime
) -> None:
    """Every part of it."""
    store.put(document)
    newer = Collateral(document.name, b"new", {}, now + timedelta(seconds=1), "offline:/etc")
    store.put(newer)
    assert store.find(document.name) == newer


def dated(name: str, now: datetime, **days: float | None) -> Collateral:
    """A document with dates, in days from now."""
    moments = {
        key: None if value is None else now + timedelta(days=value) for key, value in days.items()
    }
    return Collateral(name, b"\x30", {}, now, "https://kds", **moments)


@pytest.fixture(params=["sql", "memory"])
def any_store(request: pytest.FixtureRequest, database: Database) -> CollateralStore:
    """The real one and the fake are held to the same."""
    if request.param == "memory":
        return MemoryCollateralStore()
    return SQLCollateralStore(database)


def test_dates_come_back(any_store: CollateralStore, now: datetime) -> None:
    """To the microsecond, and none where there was none."""
    document = dated("a/b", now, issued_at=-1, expires_at=3, ageing_at=None)
    assert any_store.put(document)
    assert any_store.find("a/b") == document
    (found,) = any_store.page(after=None, limit=9)
    assert (found.size, found.expires_at, found.ageing_at) == (1, document.expires_at, None)


def test_what_was_issued_earlier_does_not_come_back(
    any_store: CollateralStore, now: datetime
) -> None:
    """Even when it was fetched later: a mirror may be behind."""
    assert any_store.put(dated("a/b", now, issued_at=0))
    older = replace(dated("a/b", now, issued_at=-1), fetched_at=now + timedelta(hours=1))
    assert not any_store.put(older)
    undated = replace(older, issued_at=None)
    assert not any_store.put(undated)
    assert any_store.put(replace(older, issued_at=now))


def test_pages_follow_names(any_store: CollateralStore, now: datetime) -> None:
    """From the one behind the last."""
    for name in ("b/1", "a/1", "a/2"):
        any_store.put(dated(name, now))
    assert [each.name for each in any_store.page(after=None, limit=2)] == ["a/1", "a/2"]
    assert [each.name for each in any_store.page(after="a/2", limit=2)] == ["b/1"]
    assert [each.name for each in any_store.held(["b/1", "c/1"])] == ["b/1"]


def test_what_expires_next_comes_first(any_store: CollateralStore, now: datetime) -> None:
    """What has no date never does."""
    for name, days in (("a/1", 3), ("a/2", -1), ("a/3", None)):
        any_store.put(dated(name, now, expires_at=days))
    assert [each.name for each in any_store.expiring(limit=9)] == ["a/2", "a/1"]
    assert [each.name for each in any_store.expiring(since=now, limit=9)] == ["a/1"]


def test_due_is_what_is_ageing(any_store: CollateralStore, now: datetime) -> None:
    """The longest due first; what was postponed is not."""
    for name, days in (("a/1", -1), ("a/2", -2), ("a/3", 1), ("a/4", None)):
        any_store.put(dated(name, now, ageing_at=days))
    assert any_store.due(now, 9) == ["a/2", "a/1"]
    any_store.postpone("a/2", now + timedelta(days=1))
    assert any_store.due(now, 9) == ["a/1"]


def test_states_are_counted(any_store: CollateralStore, now: datetime) -> None:
    """Each document once, by its worst."""
    for name, ageing, over in (
        ("a/1", None, None),
        ("a/2", -1, None),
        ("a/3", -1, 1),
        ("a/4", -2, -1),
        ("a/5", None, 0),
    ):
        any_store.put(dated(name, now, ageing_at=ageing, expires_at=over))
    assert any_store.counts(now) == {State.FRESH: 1, State.AGEING: 2, State.STALE: 2}


@pytest.fixture(params=["sql", "memory"])
def leases(request: pytest.FixtureRequest, database: Database) -> FetchLeases:
    """The real one and the fake are held to the same."""
    return MemoryLeases() if request.param == "memory" else SQLFetchLeases(database)


def test_a_lease_is_had_by_one(leases: FetchLeases, now: datetime) -> None:
    """Until it is over, or let go."""
    minute = timedelta(minutes=1)
    assert leases.take("x", now, now + minute)
    assert not leases.take("x", now, now + minute)
    assert leases.take("y", now, now + minute)
    assert leases.held_until("x", now) == now + minute
    assert leases.held_until("x", now + minute) is None
    assert leases.take("x", now + minute, now + 2 * minute)
    leases.release("x")
    assert leases.held_until("x", now) is None


def test_of_replicas_that_want_one_lease_one_gets_it(database: Database, now: datetime) -> None:
    """At the same time."""
    leases = SQLFetchLeases(database)
    until = now + timedelta(minutes=1)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: leases.take("x", now, until), range(8)))
    assert taken.count(True) == 1


def test_leases_that_are_over_are_forgotten(database: Database, now: datetime) -> None:
    """Whoever held them."""
    leases = SQLFetchLeases(database)
    leases.hold("x", now)
    leases.hold("y", now + timedelta(minutes=1))
    with database.transaction():
        assert leases.forget_expired(now) == 1
    assert leases.held_until("y", now) is not None


def test_the_newest_bundle_of_a_signer_is_known(database: Database, now: datetime) -> None:
    """Of each by itself."""
    imports = SQLBundleImports(database)
    assert imports.newest("home") is None
    for moment in (now, now + timedelta(days=1)):
        with database.transaction():
            imports.note("home", moment)
        assert imports.newest("home") == moment
    assert imports.newest("other") is None
