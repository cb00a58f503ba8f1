"""API tokens: found by id, narrowed as they were made, gone when they are revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from store.every_port import Stores, failing

from app.console.api_tokens import APIToken
from app.console.permissions import Permission, Role
from app.store.api_tokens import SQLAPITokenStore
from app.store.database import Database


@pytest.fixture
def token(now: datetime) -> APIToken:
    """One of alice's, narrowed."""
    return APIToken(
        token_id="a" * 16,
        label="a script",
        role=Role.AUDITOR,
        permissions=frozenset({Permission.AUDIT_READ}),
        maker="alice",
        account="alice",
        digest="d",
        created_at=now,
        expires_at=now + timedelta(days=1),
        used_at=None,
    )


def test_what_was_not_committed_is_no_token(stores: Stores, token: APIToken) -> None:
    """A token that could not be written down opens nothing."""
    with failing(stores):
        stores.api_tokens.add(token)
    assert stores.api_tokens.find(token.token_id) is None


@pytest.mark.parametrize("permissions", [None, frozenset({Permission.AUDIT_READ}), frozenset()])
def test_a_token_comes_back_as_it_was(
    stores: Stores, token: APIToken, permissions: frozenset[Permission] | None
) -> None:
    """Not narrowed, narrowed, and narrowed to nothing are three things."""
    stored = replace(token, permissions=permissions)
    with stores.transaction():
        stores.api_tokens.add(stored)
    assert stores.api_tokens.find(token.token_id) == stored


def test_a_use_is_written_down(stores: Stores, token: APIToken, now: datetime) -> None:
    """And nothing else changes."""
    with stores.transaction():
        stores.api_tokens.add(token)
        stores.api_tokens.use(token.token_id, now)
    assert stores.api_tokens.find(token.token_id) == replace(token, used_at=now)


def test_a_removed_token_is_gone_alone(stores: Stores, token: APIToken) -> None:
    """Pages go on where they ended, of one account or of all."""
    with stores.transaction():
        for number, account in enumerate(("alice", "bob", "alice", None)):
            stores.api_tokens.add(replace(token, token_id=f"{number:016}", account=account))
        stores.api_tokens.remove(f"{0:016}")
        stores.api_tokens.remove("never")
    page = stores.api_tokens.page
    assert [t.account for t in page(account=None, after=None, limit=2)] == ["bob", "alice"]
    assert [t.account for t in page(account=None, after=f"{2:016}", limit=2)] == [None]
    assert [t.token_id for t in page(account="alice", after=None, limit=9)] == [f"{2:016}"]


def test_a_permission_that_went_away_widens_nothing(database: Database, token: APIToken) -> None:
    """A token that was narrowed to it may do nothing, not everything."""
    store = SQLAPITokenStore(database)
    with database.transaction():
        store.add(token)
        database.writing().execute(text("UPDATE api_tokens SET permissions = '[\"x:y:z\"]'"))
    found = store.find(token.token_id)
    assert found is not None
    assert found.permissions == frozenset()
