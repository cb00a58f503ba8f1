"""Added issuers: each name and each iss once, and every write is noticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from store.every_port import Stores, failing, sql_stores

from app.broker.issuers import IssuerKind
from app.broker.stored_issuers import StoredIssuer
from app.store.database import Database
from app.store.issuers import SQLIssuerStore
from app.trust.errors import ConflictError


@pytest.fixture
def issuer(now: datetime) -> StoredIssuer:
    """An issuer with something in every member."""
    return StoredIssuer(
        name="b",
        iss="https://b.example",
        kind=IssuerKind.JWKS_URL,
        url="https://b.example/keys",
        tls_ca="PEM",
        key_set={"keys": [{"kty": "EC"}]},
        certificates="PEM",
        algorithms=("ES256", "PS384"),
        audience="https://kbs.example",
        leeway_seconds=7,
        tee_key_paths=("/a", "/b/c"),
        enabled=False,
        created_at=now,
        created_by="ann",
    )


@pytest.fixture
def store(database: Database) -> SQLIssuerStore:
    """The store on each engine."""
    return SQLIssuerStore(database)


def test_a_name_and_an_iss_are_taken_once(
    store: SQLIssuerStore, sql: Stores, issuer: StoredIssuer
) -> None:
    """Of two operators who add at once, one loses."""
    with sql.transaction():
        store.add(issuer)
    for twin in (replace(issuer, iss="https://c.example"), replace(issuer, name="c")):
        with pytest.raises(ConflictError), sql.transaction():
            store.add(twin)
    assert store.all() == [issuer]


def test_what_failed_is_not_there(store: SQLIssuerStore, sql: Stores, issuer: StoredIssuer) -> None:
    """Nor is its revision raised."""
    before = sql.revisions.current()
    with failing(sql):
        store.add(issuer)
    assert store.all() == []
    assert sql.revisions.current() == before


def test_every_write_raises_the_revision(
    store: SQLIssuerStore, database: Database, issuer: StoredIssuer
) -> None:
    """So every worker notices."""
    stores = sql_stores(database)
    seen = [stores.revisions.current().issuers]
    for write in (
        lambda: store.add(issuer),
        lambda: store.set_enabled("b", enabled=True),
        lambda: store.remove("b"),
    ):
        with stores.transaction():
            write()
        seen.append(stores.revisions.current().issuers)
    assert seen == [seen[0], seen[0] + 1, seen[0] + 2, seen[0] + 3]
    assert store.all() == []


def test_issuers_come_back_as_they_were_by_name(
    store: SQLIssuerStore, sql: Stores, issuer: StoredIssuer
) -> None:
    """The digest of what is believed is the same, too."""
    first = replace(issuer, name="a", iss="https://a.example", audience=None, key_set={})
    with sql.transaction():
        store.add(issuer)
        store.add(first)
    assert store.all() == [first, issuer]
    assert store.all()[1].digest == issuer.digest
