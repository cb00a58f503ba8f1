"""Attested sessions, each under two unique keys: the session's digest and its nonce's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from app.broker.sessions import AttestedSession
from app.store.database import Database
from app.store.tables import attested_sessions
from app.trust.errors import UsedNonceError

_COLUMNS = attested_sessions.c
_FIND = select(
    _COLUMNS.session_digest,
    _COLUMNS.nonce_digest,
    _COLUMNS.key_thumbprint,
    _COLUMNS.sealed_token,
    _COLUMNS.expires_at,
).where(_COLUMNS.session_digest == bindparam("of_digest"))
_ADD = insert(attested_sessions)


@dataclass(frozen=True, slots=True)
class SQLSessionStore:
    """Attested sessions in the database."""

    database: Database

    def find(self, session_digest: str) -> AttestedSession | None:
        """The session, expired or not."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_digest": session_digest}).first()
        return None if row is None else AttestedSession(*row)

    def add(self, session: AttestedSession) -> None:
        """Write down that a session is attested, inside the caller's transaction.

        After the error the transaction is over: PostgreSQL takes no further statement in it.

        Raises:
            UsedNonceError: the session or its nonce has vouched before.
        """
        row = {
            "session_digest": session.session_digest,
            "nonce_digest": session.nonce_digest,
            "key_thumbprint": session.key_thumbprint,
            "sealed_token": session.sealed_token,
            "expires_at": session.expires_at,
        }
        try:
            self.database.writing().execute(_ADD, row)
        except IntegrityError as error:
            raise UsedNonceError("this session or its nonce has vouched already") from error

    def forget_expired(self, now: datetime) -> int:
        """Drop sessions whose deadline has passed; how many."""
        expired = delete(attested_sessions).where(_COLUMNS.expires_at <= now)
        return self.database.writing().execute(expired).rowcount
