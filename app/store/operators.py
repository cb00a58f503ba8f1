"""Operators' accounts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.console.operators import Operator
from app.console.permissions import Role
from app.store.database import Database
from app.store.tables import operators
from app.trust.errors import ConflictError

_COLUMNS = operators.c
_ACCOUNT = select(
    _COLUMNS.name,
    _COLUMNS.role,
    _COLUMNS.password_hash,
    _COLUMNS.one_time,
    _COLUMNS.epoch,
    _COLUMNS.created_at,
)
_FIND = _ACCOUNT.where(_COLUMNS.name == bindparam("of_name"))
_ALL = _ACCOUNT.order_by(_COLUMNS.name)


@dataclass(frozen=True, slots=True)
class SQLOperatorStore:
    """Accounts in the database."""

    database: Database

    def find(self, name: str) -> Operator | None:
        """The account of this name."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_name": name}).first()
        return None if row is None else _operator(row)

    def add(self, operator: Operator) -> None:
        """Add an account, inside the caller's transaction.

        Raises:
            ConflictError: the name is taken.
        """
        try:
            self.database.writing().execute(insert(operators), asdict(operator))
        except IntegrityError as error:
            raise ConflictError(f"there is an operator named {operator.name} already") from error

    def replace(self, operator: Operator) -> None:
        """Replace what is stored for this name, inside the caller's transaction."""
        statement = update(operators).where(_COLUMNS.name == operator.name)
        self.database.writing().execute(statement.values(asdict(operator)))

    def all(self) -> list[Operator]:
        """Every account, by name."""
        with self.database.read() as connection:
            return [_operator(row) for row in connection.execute(_ALL)]


def _operator(row: Row[str, str, str, bool, int, datetime]) -> Operator:
    name, role, password_hash, one_time, epoch, created_at = row
    return Operator(name, Role(role), password_hash, one_time, epoch, created_at)
