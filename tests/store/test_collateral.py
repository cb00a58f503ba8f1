"""The cache of vendor collateral."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.attestation.collateral.ports import Collateral
from app.store.collateral import SQLCollateralStore
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
