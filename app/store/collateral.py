"""The cache of vendor collateral that replicas share, and who of them asks vendors for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, delete, func, or_, select, update

from app.attestation.collateral.ports import Collateral, CollateralSummary, State
from app.store.database import Database
from app.store.tables import collateral as documents
from app.store.tables import collateral_imports as imports
from app.store.tables import fetch_leases as leases

_COLUMNS = documents.c
_DATES = (_COLUMNS.issued_at, _COLUMNS.expires_at, _COLUMNS.ageing_at)
_FIND = select(
    _COLUMNS.name,
    _COLUMNS.body,
    _COLUMNS.headers,
    _COLUMNS.fetched_at,
    _COLUMNS.source,
    *_DATES,
).where(_COLUMNS.name == bindparam("of_name"))
_SUMMARIES = select(
    _COLUMNS.name,
    _COLUMNS.source,
    func.length(_COLUMNS.body).label("size"),
    _COLUMNS.fetched_at,
    *_DATES,
)

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

    def put(self, collateral: Collateral) -> bool:
        """Keep a document; replaces an older one of the same name. Its own transaction.

        Returns:
            Whether it was kept: not when the one that is there was fetched later, or was issued
            later by its vendor.
        """
        row = {
            "body": collateral.unverified_body,
            "headers": collateral.unverified_headers,
            "fetched_at": collateral.fetched_at,
            "source": collateral.source,
            "issued_at": collateral.issued_at,
            "expires_at": collateral.expires_at,
            "ageing_at": collateral.ageing_at,
        }
        new = self.database.insert(documents).values(name=collateral.name, **row)
        newer = [_COLUMNS.fetched_at <= collateral.fetched_at]
        if collateral.issued_at is not None:
            never = _COLUMNS.issued_at.is_(None)
            newer.append(or_(never, _COLUMNS.issued_at <= collateral.issued_at))
        else:
            # A document without a date does not replace one whose vendor told it.
            newer.append(_COLUMNS.issued_at.is_(None))
        upsert = new.on_conflict_do_update(
            index_elements=[_COLUMNS.name], set_=row, where=and_(*newer)
        )
        with self.database.transaction():
            kept = self.database.writing().execute(upsert.returning(_COLUMNS.name))
            return kept.first() is not None

    def page(self, *, after: str | None, limit: int) -> list[CollateralSummary]:
        """Summaries by name, beginning behind a name."""
        wanted = _SUMMARIES.order_by(_COLUMNS.name).limit(limit)
        return self._summaries(wanted if after is None else wanted.where(_COLUMNS.name > after))

    def expiring(self, *, since: datetime | None = None, limit: int) -> list[CollateralSummary]:
        """Those whose vendors set a date, the soonest first; only those from a moment on."""
        wanted = _SUMMARIES.where(_COLUMNS.expires_at.is_not(None))
        if since is not None:
            wanted = wanted.where(_COLUMNS.expires_at >= since)
        return self._summaries(wanted.order_by(_COLUMNS.expires_at, _COLUMNS.name).limit(limit))

    def due(self, now: datetime, limit: int) -> list[str]:
        """Names of documents that a newer one should be asked for, the longest due first."""
        wanted = select(_COLUMNS.name).where(_COLUMNS.ageing_at <= now)
        with self.database.read() as connection:
            return list(
                connection.scalars(wanted.order_by(_COLUMNS.ageing_at, _COLUMNS.name).limit(limit))
            )

    def postpone(self, name: str, until: datetime) -> None:
        """Have a document due later. Its own transaction."""
        later = update(documents).where(_COLUMNS.name == name).values(ageing_at=until)
        with self.database.transaction():
            self.database.writing().execute(later)

    def held(self, names: Sequence[str]) -> list[CollateralSummary]:
        """Summaries of those of some names that are there, by name."""
        return self._summaries(_SUMMARIES.where(_COLUMNS.name.in_(names)).order_by(_COLUMNS.name))

    def counts(self, now: datetime) -> dict[State, int]:
        """How many documents are in each state."""
        stale = _COLUMNS.expires_at <= now
        lasts = or_(_COLUMNS.expires_at.is_(None), _COLUMNS.expires_at > now)
        ageing = and_(lasts, _COLUMNS.ageing_at <= now)
        wanted = select(
            func.count(),
            func.count(case((stale, 1))),
            func.count(case((ageing, 1))),
        ).select_from(documents)
        with self.database.read() as connection:
            total, over, old = connection.execute(wanted).one()
        return {State.FRESH: total - over - old, State.AGEING: old, State.STALE: over}

    def _summaries(self, wanted: Select[Any]) -> list[CollateralSummary]:
        with self.database.read() as connection:
            return [CollateralSummary(*row) for row in connection.execute(wanted)]


@dataclass(frozen=True, slots=True)
class SQLFetchLeases:
    """Who is asking a vendor, and which services are to be left alone."""

    database: Database

    def take(self, subject: str, now: datetime, until: datetime) -> bool:
        """Have a subject to oneself until a moment; whether nobody else has it."""
        taken = self.database.insert(leases).values(subject=subject, until=until)
        upsert = taken.on_conflict_do_update(
            index_elements=[leases.c.subject], set_={"until": until}, where=leases.c.until <= now
        )
        with self.database.transaction():
            taken_by_us = self.database.writing().execute(upsert.returning(leases.c.subject))
            return taken_by_us.first() is not None

    def held_until(self, subject: str, now: datetime) -> datetime | None:
        """Until when somebody has it; ``None`` when nobody does."""
        wanted = select(leases.c.until).where(leases.c.subject == subject, leases.c.until > now)
        with self.database.read() as connection:
            return connection.scalar(wanted)

    def hold(self, subject: str, until: datetime) -> None:
        """Have it held, whoever has it."""
        taken = self.database.insert(leases).values(subject=subject, until=until)
        upsert = taken.on_conflict_do_update(
            index_elements=[leases.c.subject], set_={"until": until}
        )
        with self.database.transaction():
            self.database.writing().execute(upsert)

    def release(self, subject: str) -> None:
        """Let go of it."""
        with self.database.transaction():
            self.database.writing().execute(delete(leases).where(leases.c.subject == subject))

    def forget_expired(self, now: datetime) -> int:
        """Drop what nobody holds any more, inside the caller's transaction; how many."""
        over = delete(leases).where(leases.c.until <= now)
        return self.database.writing().execute(over).rowcount


@dataclass(frozen=True, slots=True)
class SQLBundleImports:
    """When the newest bundle of each signer that was imported was made."""

    database: Database

    def newest(self, signer: str) -> datetime | None:
        """When it was made; ``None`` before the first."""
        wanted = select(imports.c.created_at).where(imports.c.signer == signer)
        with self.database.read() as connection:
            return connection.scalar(wanted)

    def note(self, signer: str, created_at: datetime) -> None:
        """Write an import down, inside the caller's transaction."""
        new = self.database.insert(imports).values(signer=signer, created_at=created_at)
        upsert = new.on_conflict_do_update(
            index_elements=[imports.c.signer], set_={"created_at": created_at}
        )
        self.database.writing().execute(upsert)
