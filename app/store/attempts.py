"""Counts of attempts to sign in, each for as long as its window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, delete, select, update

from app.console.attempts import Count
from app.store.database import Database
from app.store.tables import sign_in_attempts

_COLUMNS = sign_in_attempts.c
_FIND = select(_COLUMNS.attempts, _COLUMNS.ends_at).where(
    _COLUMNS.bucket == bindparam("of_bucket"), _COLUMNS.ends_at > bindparam("now")
)


@dataclass(frozen=True, slots=True)
class SQLAttemptStore:
    """Counts in the database."""

    database: Database

    def find(self, bucket: str, now: datetime) -> Count | None:
        """The count of a bucket."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_bucket": bucket, "now": now}).first()
        return None if row is None else Count(*row)

    def add(self, bucket: str, now: datetime, window: timedelta) -> Count:
        """Count one more, inside the caller's transaction; the first one opens the window."""
        insert = self.database.insert(sign_in_attempts).values(
            bucket=bucket, attempts=1, ends_at=now + window
        )
        is_over = _COLUMNS.ends_at <= now
        statement = insert.on_conflict_do_update(
            index_elements=["bucket"],
            set_={
                "attempts": case((is_over, 1), else_=_COLUMNS.attempts + 1),
                "ends_at": case((is_over, insert.excluded.ends_at), else_=_COLUMNS.ends_at),
            },
        ).returning(_COLUMNS.attempts, _COLUMNS.ends_at)
        return Count(*self.database.writing().execute(statement).one())

    def give_back(self, bucket: str) -> None:
        """Count one less, inside the caller's transaction."""
        statement = update(sign_in_attempts).where(_COLUMNS.bucket == bucket, _COLUMNS.attempts > 0)
        self.database.writing().execute(statement.values(attempts=_COLUMNS.attempts - 1))

    def clear(self, bucket: str) -> None:
        """Forget a count, inside the caller's transaction."""
        statement = delete(sign_in_attempts).where(_COLUMNS.bucket == bucket)
        self.database.writing().execute(statement)

    def forget_expired(self, now: datetime) -> int:
        """Drop counts whose window is over; how many."""
        statement = delete(sign_in_attempts).where(_COLUMNS.ends_at <= now)
        return self.database.writing().execute(statement).rowcount
