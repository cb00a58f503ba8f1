"""Console sessions, by the digest of the id that a browser holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, not_, or_, select, update

from app.console.sessions import Alive, Browser, ConsoleSession, Proof
from app.store.database import Database
from app.store.tables import console_sessions

_COLUMNS = console_sessions.c
_ALL = select(console_sessions)
_FIND = _ALL.where(_COLUMNS.session_digest == bindparam("of_digest"))
_BY_HANDLE = _ALL.where(_COLUMNS.handle == bindparam("of_handle"))


@dataclass(frozen=True, slots=True)
class SQLConsoleSessionStore:
    """Console sessions in the database."""

    database: Database

    def find(self, digest: str) -> ConsoleSession | None:
        """The session, over or not."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_digest": digest}).first()
        return None if row is None else _session(row)

    def by_handle(self, handle: str) -> ConsoleSession | None:
        """The session that lists call by this name."""
        with self.database.read() as connection:
            row = connection.execute(_BY_HANDLE, {"of_handle": handle}).first()
        return None if row is None else _session(row)

    def add(self, session: ConsoleSession) -> None:
        """Add a session, inside the caller's transaction."""
        self.database.writing().execute(insert(console_sessions), _row(session))

    def use(self, digest: str, at: datetime) -> None:
        """Write down when it was last used, inside the caller's transaction."""
        statement = update(console_sessions).where(_COLUMNS.session_digest == digest)
        self.database.writing().execute(statement.values(used_at=at))

    def remove(self, digest: str) -> bool:
        """Drop a session, inside the caller's transaction; whether there was one."""
        statement = delete(console_sessions).where(_COLUMNS.session_digest == digest)
        return self.database.writing().execute(statement).rowcount > 0

    def remove_all(self, operator: str, *, but: str | None = None) -> int:
        """Drop every session of an account, inside the caller's transaction; how many.

        The one with the digest ``but`` stays.
        """
        statement = delete(console_sessions).where(_COLUMNS.operator == operator)
        if but is not None:
            statement = statement.where(_COLUMNS.session_digest != but)
        return self.database.writing().execute(statement).rowcount

    def page(
        self, alive: Alive, *, operator: str | None, after: str | None, limit: int
    ) -> list[ConsoleSession]:
        """Sessions that are alive, of one account or all, by handle, above ``after``."""
        statement = _ALL.where(not_(_is_over(alive))).order_by(_COLUMNS.handle).limit(limit)
        if operator is not None:
            statement = statement.where(_COLUMNS.operator == operator)
        if after is not None:
            statement = statement.where(_COLUMNS.handle > after)
        with self.database.read() as connection:
            return [_session(row) for row in connection.execute(statement)]

    def forget_expired(self, alive: Alive) -> int:
        """Drop sessions that are over, inside the caller's transaction; how many."""
        statement = delete(console_sessions).where(_is_over(alive))
        return self.database.writing().execute(statement).rowcount


def _is_over(alive: Alive) -> ColumnElement[bool]:
    return or_(_COLUMNS.expires_at <= alive.now, _COLUMNS.used_at < alive.used_since)


def _row(session: ConsoleSession) -> dict[str, str | datetime]:
    return {
        "session_digest": session.digest,
        "handle": session.handle,
        "operator": session.operator,
        "proof": session.proof,
        "begun_at": session.begun_at,
        "used_at": session.used_at,
        "proved_at": session.proved_at,
        "expires_at": session.expires_at,
        "source": session.browser.source,
        "agent": session.browser.agent,
    }


def _session(row: Row[*tuple[Any, ...]]) -> ConsoleSession:
    return ConsoleSession(
        digest=row.session_digest,
        handle=row.handle,
        operator=row.operator,
        proof=Proof(row.proof),
        begun_at=row.begun_at,
        used_at=row.used_at,
        proved_at=row.proved_at,
        expires_at=row.expires_at,
        browser=Browser(row.source, row.agent),
    )
