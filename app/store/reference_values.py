"""Reference values: one of each name is active, those it replaced are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from app.attestation.reference_value_messages import Provenance
from app.attestation.reference_values import (
    ANY_EXPIRY,
    ExpiryRange,
    ReferenceValue,
    RegisteredValue,
)
from app.store.database import Database
from app.store.revisions import Counted, raise_revision
from app.store.tables import reference_values

_COLUMNS = reference_values.c
_VALUE = select(
    _COLUMNS.name,
    _COLUMNS.value,
    _COLUMNS.expires_at,
    _COLUMNS.registered_at,
    _COLUMNS.source,
    _COLUMNS.extractor,
    _COLUMNS.signer,
    _COLUMNS.message_digest,
)
_FIND = _VALUE.where(_COLUMNS.name == bindparam("of_name"), _COLUMNS.active)
_FIND_ALL = _VALUE.where(_COLUMNS.name.in_(bindparam("names", expanding=True)), _COLUMNS.active)
_HISTORY = (
    select(
        _COLUMNS.row_id,
        _COLUMNS.active,
        _COLUMNS.registered_by,
        _COLUMNS.withdrawn_at,
        _COLUMNS.withdrawn_by,
        *_VALUE.selected_columns,
    )
    .where(_COLUMNS.name == bindparam("of_name"))
    .order_by(_COLUMNS.row_id.desc())
)
# Fewer than the parameters that either engine takes in one statement.
_NAMES_AT_ONCE = 500
_PAST = (
    _VALUE.add_columns(_COLUMNS.withdrawn_at)
    .where(_COLUMNS.name == bindparam("of_name"), _COLUMNS.registered_at <= bindparam("at"))
    .order_by(_COLUMNS.row_id.desc())
    .limit(1)
)
_BY_NAME = _VALUE.where(_COLUMNS.active).order_by(_COLUMNS.name)
_BY_EXPIRY = (
    _VALUE.where(_COLUMNS.active, _COLUMNS.expires_at >= bindparam("since"))
    .order_by(_COLUMNS.expires_at, _COLUMNS.name)
    .limit(bindparam("at_most"))
)
_OF_NAME = update(reference_values).where(_COLUMNS.name == bindparam("of_name"), _COLUMNS.active)
_DEACTIVATE = _OF_NAME.values(active=False)
_WITHDRAW = _OF_NAME.values(
    active=False, withdrawn_at=bindparam("at"), withdrawn_by=bindparam("by")
)


@dataclass(frozen=True, slots=True)
class SQLReferenceValueStore:
    """Reference values in the database."""

    database: Database

    def find(self, name: str) -> ReferenceValue | None:
        """The newest value of this name, expired or not."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_name": name}).first()
        return None if row is None else _value(row)

    def find_at(self, name: str, at: datetime) -> ReferenceValue | None:
        """The value that this name had at a moment, expired or not; for explanations."""
        active = self.find(name)
        if active is not None and active.registered_at <= at:
            return active
        with self.database.read() as connection:
            row = connection.execute(_PAST, {"of_name": name, "at": at}).first()
        if row is None or (row.withdrawn_at is not None and row.withdrawn_at <= at):
            return None
        return _value(row[:-1])

    def put(self, values: list[ReferenceValue], by: str) -> None:
        """Store all of them, replacing what had the same name; history is kept.

        Of several values of one name the last counts. Raises the ``reference_values`` revision.
        """
        if not values:
            return
        newest = {value.name: value for value in values}
        connection = self.database.writing()
        raise_revision(connection, Counted.REFERENCE_VALUES)
        connection.execute(_DEACTIVATE, [{"of_name": name} for name in newest])
        connection.execute(
            insert(reference_values),
            [
                {
                    "name": value.name,
                    "active": newest[value.name] is value,
                    "expires_at": value.expires_at,
                    "registered_at": value.registered_at,
                    "registered_by": by,
                    "source": value.source,
                    "value": value.value,
                    **_columns(value.provenance),
                }
                for value in values
            ],
        )

    def withdraw(self, name: str, at: datetime, by: str) -> bool:
        """Take a value away; whether there was one. Raises the ``reference_values`` revision."""
        connection = self.database.writing()
        raise_revision(connection, Counted.REFERENCE_VALUES)
        row = {"of_name": name, "at": at, "by": by}
        return connection.execute(_WITHDRAW, row).rowcount > 0

    def find_all(self, names: Sequence[str]) -> dict[str, ReferenceValue]:
        """The newest value of each of these names that has one, expired or not."""
        found: dict[str, ReferenceValue] = {}
        with self.database.read() as connection:
            for start in range(0, len(names), _NAMES_AT_ONCE):
                some = list(names[start : start + _NAMES_AT_ONCE])
                rows = connection.execute(_FIND_ALL, {"names": some})
                found |= {row.name: _value(row) for row in rows}
        return found

    def history(self, name: str, *, before: int | None, limit: int) -> list[RegisteredValue]:
        """Everything that was ever registered under a name, newest first."""
        statement = _HISTORY.limit(limit)
        if before is not None:
            statement = statement.where(_COLUMNS.row_id < before)
        with self.database.read() as connection:
            return [_entry(row) for row in connection.execute(statement, {"of_name": name})]

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        containing: str | None = None,
        expiry: ExpiryRange = ANY_EXPIRY,
    ) -> list[ReferenceValue]:
        """Values by name; see ``ReferenceValueStore.page``."""
        statement = _BY_NAME.limit(limit)
        if containing is not None:
            statement = statement.where(_COLUMNS.name.icontains(containing, autoescape=True))
        if expiry.after is not None:
            statement = statement.where(_COLUMNS.expires_at > expiry.after)
        if expiry.until is not None:
            statement = statement.where(_COLUMNS.expires_at <= expiry.until)
        if after is not None:
            statement = statement.where(_COLUMNS.name > after)
        with self.database.read() as connection:
            return [_value(row) for row in connection.execute(statement)]

    def expiring(self, since: datetime, limit: int) -> list[ReferenceValue]:
        """Values that expire at a moment or later, the first to expire first."""
        with self.database.read() as connection:
            rows = connection.execute(_BY_EXPIRY, {"since": since, "at_most": limit})
            return [_value(row) for row in rows]


def _columns(provenance: Provenance | None) -> dict[str, str | None]:
    if provenance is None:
        return {"extractor": None, "signer": None, "message_digest": None}
    return asdict(provenance)


def _value(row: Sequence[Any]) -> ReferenceValue:
    name, value, expires_at, registered_at, source, extractor, signer, digest = row
    provenance = None if digest is None else Provenance(extractor, signer, digest)
    return ReferenceValue(name, value, expires_at, registered_at, source, provenance)


def _entry(row: Row[*tuple[Any, ...]]) -> RegisteredValue:
    number, active, registered_by, withdrawn_at, withdrawn_by, *value = row
    return RegisteredValue(number, _value(value), registered_by, active, withdrawn_at, withdrawn_by)
