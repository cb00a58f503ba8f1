"""Console sessions: who is signed in, from where, and when that was last proved.

The browser holds an id of 256 random bits; here only its digest rests, so who reads the database
cannot sign in with what stands there. A session ends when nobody uses it, when its time is over,
or when it is revoked. Whenever what a session may changes, it gets a new id.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.console.operators import Operator, OperatorStore
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import ConsoleSessionNotFoundError
from app.trust.transactions import Transactions

_ID_BYTES = 32
_HANDLE_BYTES = 8
# An idle session is told apart from a used one to a tenth of the time that it may be idle.
_USES_WRITTEN_DOWN = 10
_AGENT_CHARACTERS = 200


class Proof(StrEnum):
    """How an operator showed who it is."""

    PASSWORD = "password"  # noqa: S105  (the name of a method)
    SINGLE_SIGN_ON = "single-sign-on"


@dataclass(frozen=True, slots=True)
class Browser:
    """What a session was begun with.

    Attributes:
        source: its network address.
        agent: what it calls itself; it can say anything.
    """

    source: str
    agent: str


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A signed-in browser.

    Attributes:
        digest: SHA-256 of the id that the browser holds, hex.
        handle: what lists and commands call the session, 16 hex digits; it opens nothing.
        operator: the account's name.
        proof: how the operator signed in.
        begun_at: when it signed in.
        used_at: the last request, to a tenth of the time that a session may be idle.
        proved_at: when the operator last showed who it is.
        expires_at: when the session ends, however much it is used.
    """

    digest: str
    handle: str
    operator: str
    proof: Proof
    begun_at: datetime
    used_at: datetime
    proved_at: datetime
    expires_at: datetime
    browser: Browser


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long things last.

    Attributes:
        idle: a session that is not used for so long ends.
        lifetime: every session ends after so long.
        proof: for so long a proof is recent enough for what is dangerous.
    """

    idle: timedelta
    lifetime: timedelta
    proof: timedelta


@dataclass(frozen=True, slots=True)
class Alive:
    """Which sessions are not over.

    Attributes:
        now: they expire later than this.
        used_since: they were used at this time or after.
    """

    now: datetime
    used_since: datetime


class ConsoleSessionStore(Protocol):
    """Where console sessions live."""

    def find(self, digest: str) -> ConsoleSession | None:
        """The session, over or not."""
        ...

    def add(self, session: ConsoleSession) -> None:
        """Add a session, inside the caller's transaction."""
        ...

    def use(self, digest: str, at: datetime) -> None:
        """Write down when it was last used, inside the caller's transaction."""
        ...

    def remove(self, digest: str) -> bool:
        """Drop a session, inside the caller's transaction; whether there was one."""
        ...

    def remove_all(self, operator: str, *, but: str | None = None) -> int:
        """Drop every session of an account, inside the caller's transaction; how many.

        The one with the digest ``but`` stays.
        """
        ...

    def page(
        self, alive: Alive, *, operator: str | None, after: str | None, limit: int
    ) -> list[ConsoleSession]:
        """Sessions that are alive, of one account or all, by handle, above ``after``."""
        ...

    def by_handle(self, handle: str) -> ConsoleSession | None:
        """The session that lists call by this name."""
        ...

    def forget_expired(self, alive: Alive) -> int:
        """Drop sessions that are over, inside the caller's transaction; how many."""
        ...


@dataclass(frozen=True, slots=True)
class ConsoleSessions:
    """Begins, finds, renews and ends console sessions."""

    store: ConsoleSessionStore
    operators: OperatorStore
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    times: SessionTimes

    def begin(self, operator: Operator, proof: Proof, browser: Browser) -> str:
        """Sign an operator in, and return the id for its browser, 43 characters."""
        now = self.clock.now()
        session_id = secrets.token_urlsafe(_ID_BYTES)
        session = ConsoleSession(
            digest=_digest(session_id),
            handle=secrets.token_hex(_HANDLE_BYTES),
            operator=operator.name,
            proof=proof,
            begun_at=now,
            used_at=now,
            proved_at=now,
            expires_at=now + self.times.lifetime,
            browser=replace(browser, agent=browser.agent[:_AGENT_CHARACTERS]),
        )
        actor = Actor(operator.name, operator.role, browser.source)
        with self.transactions():
            self.store.add(session)
            self.operators.note_sign_in(operator.name, now)
            self.audit.append(
                AuditEntry(now, actor, "operators:session:begin", session.handle, after=proof)
            )
        return session_id

    def find(self, session_id: str) -> tuple[Operator, ConsoleSession] | None:
        """The operator and the session behind an id, while both are good."""
        session = self.store.find(_digest(session_id))
        if session is None or self._is_over(session):
            return None
        operator = self.operators.find(session.operator)
        if operator is None or operator.disabled_at is not None:
            return None
        now = self.clock.now()
        if now - session.used_at > self.times.idle / _USES_WRITTEN_DOWN:
            with self.transactions():
                self.store.use(session.digest, now)
        return operator, session

    def is_recent(self, session: ConsoleSession) -> bool:
        """Whether the operator showed lately who it is."""
        return self.clock.now() - session.proved_at <= self.times.proof

    def renew(self, session: ConsoleSession) -> str:
        """Note that the operator has just shown who it is; the session's new id."""
        now = self.clock.now()
        session_id = secrets.token_urlsafe(_ID_BYTES)
        renewed = replace(session, digest=_digest(session_id), proved_at=now, used_at=now)
        with self.transactions():
            self.store.remove(session.digest)
            self.store.add(renewed)
        return session_id

    def end(self, session: ConsoleSession) -> None:
        """Sign out."""
        with self.transactions():
            self.store.remove(session.digest)

    def revoke(self, handle: str, by: Actor, *, of: str | None = None) -> None:
        """End a session that someone has elsewhere.

        Args:
            handle: what lists call it.
            by: who ends it.
            of: the account that it must be of; ``None`` when any will do.

        Raises:
            ConsoleSessionNotFoundError: there is no such session, or it is of another account.
        """
        with self.transactions():
            session = self.store.by_handle(handle)
            if session is None or of not in (None, session.operator):
                raise ConsoleSessionNotFoundError("there is no such console session")
            self.store.remove(session.digest)
            now = self.clock.now()
            self.audit.append(
                AuditEntry(now, by, "operators:session:revoke", handle, before=session.operator)
            )

    def revoke_all(self, of: str, by: Actor, *, but: ConsoleSession | None = None) -> int:
        """End every session of an account, or every other one; how many there were."""
        with self.transactions():
            ended = self.store.remove_all(of, but=but.digest if but else None)
            if ended:
                now = self.clock.now()
                self.audit.append(AuditEntry(now, by, "operators:session:revoke-all", of))
        return ended

    def page(
        self, *, operator: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[ConsoleSession]:
        """Sessions that are not over, by handle."""
        return self.store.page(self._alive(), operator=operator, after=after, limit=limit)

    def forget_expired(self, now: datetime) -> int:
        """Drop sessions that are over, inside the caller's transaction; how many."""
        return self.store.forget_expired(Alive(now, now - self.times.idle))

    def _is_over(self, session: ConsoleSession) -> bool:
        alive = self._alive()
        return session.expires_at <= alive.now or session.used_at < alive.used_since

    def _alive(self) -> Alive:
        now = self.clock.now()
        return Alive(now, now - self.times.idle)


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
