"""Operators' accounts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.console.operators import Operator
from app.console.permissions import Role
from app.store.database import Database
from app.store.tables import operators
from app.trust.errors import ConflictError

# The advisory lock under which PostgreSQL lets one transaction at a time change accounts, so that
# two owners cannot demote each other; an arbitrary number that no other lock of ours has.
_ACCOUNTS_LOCK = 0x766F756368_03

_COLUMNS = operators.c
_ACCOUNT = select(
    _COLUMNS.name,
    _COLUMNS.role,
    _COLUMNS.password_hash,
    _COLUMNS.one_time,
    _COLUMNS.epoch,
    _COLUMNS.created_at,
    _COLUMNS.disabled_at,
    _COLUMNS.last_sign_in_at,
)
_FIND = _ACCOUNT.where(_COLUMNS.name == bindparam("of_name"))
_ALL = _ACCOUNT.order_by(_COLUMNS.name)
_HAS_OWNER = select(exists().where(_COLUMNS.role == Role.OWNER.value))


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

    def lock(self) -> None:
        """Let no other transaction change accounts until the caller's is over."""
        connection = self.database.writing()
        if self.database.is_postgresql:
            connection.execute(select(func.pg_advisory_xact_lock(_ACCOUNTS_LOCK)))

    def replace(self, operator: Operator) -> None:
        """Replace what is stored for this name, inside the caller's transaction."""
        statement = update(operators).where(_COLUMNS.name == operator.name)
        self.database.writing().execute(statement.values(asdict(operator)))

    def note_sign_in(self, name: str, at: datetime) -> None:
        """Write down when someone last signed in to it, inside the caller's transaction."""
        statement = update(operators).where(_COLUMNS.name == name)
        self.database.writing().execute(statement.values(last_sign_in_at=at))

    def all(self) -> list[Operator]:
        """Every account, by name."""
        with self.database.read() as connection:
            return [_operator(row) for row in connection.execute(_ALL)]

    def has_owner(self) -> bool:
        """Whether any account has the role owner, disabled ones included."""
        with self.database.read() as connection:
            return bool(connection.execute(_HAS_OWNER).scalar_one())

    def page(self, *, after: str | None, limit: int) -> list[Operator]:
        """Accounts by name, those with a name above ``after``."""
        statement = _ALL.limit(limit)
        if after is not None:
            statement = statement.where(_COLUMNS.name > after)
        with self.database.read() as connection:
            return [_operator(row) for row in connection.execute(statement)]


def _operator(row: Row[*tuple[Any, ...]]) -> Operator:
    return Operator(
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        one_time=row.one_time,
        epoch=row.epoch,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        last_sign_in_at=row.last_sign_in_at,
    )
