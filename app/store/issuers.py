"""Issuers of tokens that operators added; every write raises the ``issuers`` revision."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.broker.issuers import IssuerKind
from app.broker.stored_issuers import StoredIssuer
from app.store.database import Database
from app.store.revisions import Counted, raise_revision
from app.store.tables import trusted_issuers
from app.trust.errors import ConflictError

_COLUMNS = trusted_issuers.c
_ALL = select(trusted_issuers).order_by(_COLUMNS.name)


@dataclass(frozen=True, slots=True)
class SQLIssuerStore:
    """Added issuers in the database."""

    database: Database

    def all(self) -> list[StoredIssuer]:
        """Every issuer, by name."""
        with self.database.read() as connection:
            return [_issuer(row) for row in connection.execute(_ALL).mappings()]

    def add(self, issuer: StoredIssuer) -> None:
        """Add one, inside the caller's transaction.

        Raises:
            ConflictError: the name or the ``iss`` is taken.
        """
        try:
            self._writing().execute(insert(trusted_issuers), asdict(issuer))
        except IntegrityError as error:
            raise ConflictError("an issuer of this name, or with this iss, was added") from error

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Believe its tokens, or no longer, inside the caller's transaction."""
        statement = update(trusted_issuers).where(_COLUMNS.name == name).values(enabled=enabled)
        self._writing().execute(statement)

    def remove(self, name: str) -> None:
        """Forget it, inside the caller's transaction."""
        self._writing().execute(delete(trusted_issuers).where(_COLUMNS.name == name))

    def _writing(self) -> Connection:
        connection = self.database.writing()
        raise_revision(connection, Counted.ISSUERS)
        return connection


def _issuer(row: RowMapping) -> StoredIssuer:
    members: dict[str, Any] = {**row, "kind": IssuerKind(row["kind"])}
    for name in ("algorithms", "tee_key_paths"):
        members[name] = tuple(members[name])
    return StoredIssuer(**members)
