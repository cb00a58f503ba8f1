"""Console sessions: over when idle, old or revoked, and renewed with every proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from account_fakes import MemoryConsoleSessions, MemoryOperators
from fakes import NOON, FakeClock, MemoryAuditLog, MemoryDatabase

from app.console.operators import Operator
from app.console.permissions import Role
from app.console.sessions import Browser, ConsoleSessions, Proof, SessionTimes
from app.trust.audit import Actor
from app.trust.errors import ConsoleSessionNotFoundError

OWNER = Actor("ann", Role.OWNER)
BROWSER = Browser("192.0.2.1", "a browser")
BOB = Operator("bob", Role.VIEWER, "-", one_time=False, epoch=1, created_at=NOON)


class Bench:
    """Sessions on fakes."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.clock = FakeClock()
        self.store = MemoryConsoleSessions(self.db)
        self.sessions = ConsoleSessions(
            store=self.store,
            operators=MemoryOperators(self.db, BOB),
            audit=MemoryAuditLog(self.db),
            transactions=self.db.transactions,
            clock=self.clock,
            times=SessionTimes(
                idle=timedelta(minutes=30), lifetime=timedelta(hours=8), proof=timedelta(minutes=15)
            ),
        )

    def begin(self) -> str:
        """Bob signs in."""
        return self.sessions.begin(BOB, Proof.PASSWORD, BROWSER)

    def is_open(self, session_id: str) -> bool:
        """Whether an id opens anything."""
        return self.sessions.find(session_id) is not None


@pytest.fixture
def bench() -> Bench:
    """A fresh one."""
    return Bench()


@pytest.mark.parametrize("guess", ["", "x", "0" * 43])
def test_an_unknown_id_opens_nothing(bench: Bench, guess: str) -> None:
    """Nor does what rests in the database."""
    bench.begin()
    assert not bench.is_open(guess)
    (digest,) = bench.db.console_sessions
    assert not bench.is_open(digest)
    assert not bench.is_open(bench.db.console_sessions[digest].handle)


def test_an_idle_session_is_over(bench: Bench) -> None:
    """Half an hour after it was last used, and not before."""
    session_id = bench.begin()
    for _ in range(3):
        bench.clock.forward(minutes=26)
        assert bench.is_open(session_id)
    bench.clock.forward(minutes=31)
    assert not bench.is_open(session_id)


def test_a_session_is_over_however_much_it_is_used(bench: Bench) -> None:
    """Eight hours after the sign-in, and a renewal adds nothing."""
    session_id = bench.begin()
    for _ in range(23):
        bench.clock.forward(minutes=20)
        found = bench.sessions.find(session_id)
        assert found is not None
        session_id = bench.sessions.renew(found[1])
    bench.clock.forward(minutes=20)
    assert not bench.is_open(session_id)


def test_uses_are_written_down_rarely(bench: Bench) -> None:
    """A page that is read again at once costs no write."""
    session_id = bench.begin()
    before = bench.db.commits
    assert bench.is_open(session_id)
    bench.clock.forward(minutes=3)
    assert bench.is_open(session_id)
    assert bench.db.commits == before
    bench.clock.forward(seconds=1)
    assert bench.is_open(session_id)
    assert bench.db.commits == before + 1


def test_a_proof_gives_a_new_id_and_ends_the_old_one(bench: Bench) -> None:
    """Who knew the id before knows nothing now."""
    session_id = bench.begin()
    bench.clock.forward(minutes=16)
    found = bench.sessions.find(session_id)
    assert found is not None
    assert not bench.sessions.is_recent(found[1])
    renewed = bench.sessions.renew(found[1])
    assert not bench.is_open(session_id)
    found = bench.sessions.find(renewed)
    assert found is not None
    assert bench.sessions.is_recent(found[1])


def test_a_disabled_account_has_no_session(bench: Bench) -> None:
    """Whatever the rows say."""
    session_id = bench.begin()
    bench.db.operators["bob"] = replace(BOB, disabled_at=NOON)
    assert not bench.is_open(session_id)


def test_a_sign_in_is_written_down(bench: Bench) -> None:
    """With the source, and the session by the name that lists have for it."""
    bench.begin()
    entry = bench.db.audit[-1].entry
    (session,) = bench.db.console_sessions.values()
    assert (entry.action, entry.subject) == ("operators:session:begin", session.handle)
    assert entry.actor == Actor("bob", "viewer", "192.0.2.1")
    assert bench.db.operators["bob"].last_sign_in_at == NOON


def test_only_ones_own_session_is_revoked_where_that_is_asked(bench: Bench) -> None:
    """A handle that was read elsewhere ends nobody else's session."""
    session_id = bench.begin()
    (session,) = bench.sessions.page()
    with pytest.raises(ConsoleSessionNotFoundError):
        bench.sessions.revoke(session.handle, OWNER, of="carl")
    with pytest.raises(ConsoleSessionNotFoundError):
        bench.sessions.revoke("0" * 16, OWNER)
    assert bench.is_open(session_id)


def test_a_revoked_session_is_over_and_that_is_written_down(bench: Bench) -> None:
    """With whose it was."""
    session_id = bench.begin()
    (session,) = bench.sessions.page(operator="bob")
    bench.sessions.revoke(session.handle, OWNER)
    assert not bench.is_open(session_id)
    assert bench.sessions.page() == []
    entry = bench.db.audit[-1].entry
    assert (entry.action, entry.before) == ("operators:session:revoke", "bob")
