"""Console sessions rest by the digest of their id, and are listed by another name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from store.every_port import Stores, failing

from app.console.sessions import Alive, Browser, ConsoleSession, Proof


@pytest.fixture
def session(now: datetime) -> ConsoleSession:
    """A session of alice's."""
    return ConsoleSession(
        digest="d1",
        handle="h1",
        operator="alice",
        proof=Proof.PASSWORD,
        begun_at=now,
        used_at=now,
        proved_at=now,
        expires_at=now + timedelta(hours=8),
        browser=Browser("192.0.2.1", "a browser"),
    )


def alive(session: ConsoleSession) -> Alive:
    """Bounds within which a session is not over."""
    return Alive(session.begun_at, session.used_at)


def test_what_was_not_committed_is_no_session(stores: Stores, session: ConsoleSession) -> None:
    """A sign-in that could not be written down has not happened."""
    with failing(stores):
        stores.console_sessions.add(session)
    assert stores.console_sessions.find("d1") is None
    assert stores.console_sessions.by_handle("h1") is None


def test_a_session_is_found_by_digest_and_by_handle(
    stores: Stores, session: ConsoleSession
) -> None:
    """Both find all of it, and the handle is no digest."""
    with stores.transaction():
        stores.console_sessions.add(session)
    assert stores.console_sessions.find("d1") == session
    assert stores.console_sessions.by_handle("h1") == session
    assert stores.console_sessions.find("h1") is None


def test_a_use_is_written_down(stores: Stores, session: ConsoleSession) -> None:
    """And nothing else of the session changes."""
    later = session.used_at + timedelta(minutes=7)
    with stores.transaction():
        stores.console_sessions.add(session)
        stores.console_sessions.use("d1", later)
    assert stores.console_sessions.find("d1") == replace(session, used_at=later)


def test_removing_takes_one_or_all_of_an_account(stores: Stores, session: ConsoleSession) -> None:
    """Sessions of others stay."""
    with stores.transaction():
        for number, name in enumerate(("alice", "alice", "bob", "alice")):
            stores.console_sessions.add(
                replace(session, digest=f"d{number}", handle=f"h{number}", operator=name)
            )
        assert stores.console_sessions.remove("d0")
        assert not stores.console_sessions.remove("d0")
        assert stores.console_sessions.remove_all("alice") == 2
    left = stores.console_sessions.page(alive(session), operator=None, after=None, limit=9)
    assert [each.operator for each in left] == ["bob"]


def test_pages_go_on_where_they_ended(stores: Stores, session: ConsoleSession) -> None:
    """By handle, of one account or of all."""
    with stores.transaction():
        for number, name in enumerate(("alice", "bob", "alice", "bob")):
            stores.console_sessions.add(
                replace(session, digest=f"d{number}", handle=f"h{number}", operator=name)
            )
    page = partial(stores.console_sessions.page, alive(session))
    assert [s.handle for s in page(operator=None, after=None, limit=3)] == ["h0", "h1", "h2"]
    assert [s.handle for s in page(operator=None, after="h2", limit=3)] == ["h3"]
    assert [s.handle for s in page(operator="bob", after=None, limit=3)] == ["h1", "h3"]


def test_expired_and_idle_sessions_are_forgotten(stores: Stores, session: ConsoleSession) -> None:
    """Whichever comes first."""
    now = session.expires_at - timedelta(minutes=1)
    bounds = Alive(now, now - timedelta(minutes=30))
    fresh = replace(session, digest="fresh", handle="fresh", used_at=now)
    with stores.transaction():
        stores.console_sessions.add(fresh)
        stores.console_sessions.add(replace(fresh, digest="a", handle="a", expires_at=now))
        stores.console_sessions.add(replace(session, digest="b", handle="b"))
    listed = stores.console_sessions.page(bounds, operator=None, after=None, limit=9)
    assert listed == [fresh]
    with stores.transaction():
        assert stores.console_sessions.forget_expired(bounds) == 2
    everything = alive(session)
    assert stores.console_sessions.page(everything, operator=None, after=None, limit=9) == [fresh]
