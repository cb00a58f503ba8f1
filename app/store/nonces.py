"""Nonces that have vouched: a row under a unique key, so of two uses one loses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from app.store.database import Database
from app.store.tables import consumed_nonces
from app.trust.errors import UsedNonceError

_CONSUME = insert(consumed_nonces)


@dataclass(frozen=True, slots=True)
class SQLConsumedNonceStore:
    """Consumed nonces in the database."""

    database: Database

    def consume(self, nonce_digest: str, expires_at: datetime) -> None:
        """Write down that a nonce has vouched, inside the caller's transaction.

        After the error the transaction is over: PostgreSQL takes no further statement in it.

        Raises:
            UsedNonceError: it has vouched before.
        """
        row = {"nonce_digest": nonce_digest, "expires_at": expires_at}
        try:
            self.database.writing().execute(_CONSUME, row)
        except IntegrityError as error:
            raise UsedNonceError("this nonce has vouched already") from error

    def forget_expired(self, now: datetime) -> int:
        """Drop rows of nonces that are expired anyway; how many."""
        expired = delete(consumed_nonces).where(consumed_nonces.c.expires_at <= now)
        return self.database.writing().execute(expired).rowcount
