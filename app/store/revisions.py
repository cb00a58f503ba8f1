"""The counters that tell every worker of every replica that something changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, select, update

from app.store.database import Database
from app.store.tables import revisions
from app.trust.revisions import Revisions


class Counted(StrEnum):
    """What has a counter; the names are those of ``Revisions`` and of the rows."""

    POLICIES = "policies"
    REFERENCE_VALUES = "reference_values"
    SIGNING_KEYS = "signing_keys"
    ISSUERS = "issuers"


_CURRENT = select(revisions.c.name, revisions.c.value)
_RAISE = (
    update(revisions)
    .where(revisions.c.name == bindparam("counted"))
    .values(value=revisions.c.value + 1)
)


@dataclass(frozen=True, slots=True)
class SQLRevisionStore:
    """Reads the counters."""

    database: Database

    def current(self) -> Revisions:
        """All counters, in one statement."""
        with self.database.read() as connection:
            rows = connection.execute(_CURRENT).all()
        return Revisions(**{row.name: row.value for row in rows})


def raise_revision(connection: Connection, counted: Counted) -> None:
    """Raise a counter, inside the caller's transaction.

    On PostgreSQL this locks the counter's row until the transaction ends. Writers that raise it
    before they look therefore take turns, and what they read stays true until they write.
    """
    connection.execute(_RAISE, {"counted": counted.value})
