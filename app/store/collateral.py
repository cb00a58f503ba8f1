"""The cache of vendor collateral that replicas share."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from app.attestation.collateral.ports import Collateral
from app.store.database import Database
from app.store.tables import collateral as documents

_COLUMNS = documents.c
_FIND = select(
    _COLUMNS.name, _COLUMNS.body, _COLUMNS.headers, _COLUMNS.fetched_at, _COLUMNS.source
).where(_COLUMNS.name == bindparam("of_name"))

_COUNT = select(func.count()).select_from(documents)


@dataclass(frozen=True, slots=True)
class SQLCollateralStore:
    """Collateral in the database."""

    database: Database

    def find(self, name: str) -> Collateral | None:
        """The newest document of this name."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_name": name}).first()
        return None if row is None else Collateral(*row)

    def count(self) -> int:
        """How many documents there are."""
        with self.database.read() as connection:
            return connection.execute(_COUNT).scalar_one()

    def put(self, collateral: Collateral) -> None:
        """Keep a document; replaces an older one of the same name. Its own transaction.

        A document that was fetched before the one that is kept changes nothing.
        """
        row = {
            "body": collateral.unverified_body,
            "headers": collateral.unverified_headers,
            "fetched_at": collateral.fetched_at,
            "source": collateral.source,
        }
        new = self.database.insert(documents).values(name=collateral.name, **row)
        upsert = new.on_conflict_do_update(
            index_elements=[_COLUMNS.name],
            set_=row,
            where=_COLUMNS.fetched_at <= collateral.fetched_at,
        )
        with self.database.transaction():
            self.database.writing().execute(upsert)
