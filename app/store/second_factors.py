"""Second factors, sealed, and the digests of their recovery codes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.console.second_factors import SecondFactor
from app.store.database import Database
from app.store.tables import recovery_codes, second_factors
from app.trust.errors import ConflictError

_COLUMNS = second_factors.c
_CODES = recovery_codes
_ALL = select(
    _COLUMNS.operator, _COLUMNS.sealed_secret, _COLUMNS.last_step, _COLUMNS.created_at
).order_by(_COLUMNS.operator)
_FIND = _ALL.where(_COLUMNS.operator == bindparam("of_name"))


@dataclass(frozen=True, slots=True)
class SQLSecondFactorStore:
    """Second factors in the database."""

    database: Database

    def find(self, operator: str) -> SecondFactor | None:
        """The second factor of an account."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_name": operator}).first()
        return None if row is None else SecondFactor(*row)

    def all(self) -> list[SecondFactor]:
        """Those of all accounts, by name."""
        with self.database.read() as connection:
            return [SecondFactor(*row) for row in connection.execute(_ALL)]

    def among(self, operators: Collection[str]) -> frozenset[str]:
        """Those of these accounts that have one."""
        statement = select(_COLUMNS.operator).where(_COLUMNS.operator.in_(operators))
        with self.database.read() as connection:
            return frozenset(connection.execute(statement).scalars())

    def put(self, factor: SecondFactor, recovery_codes: list[str]) -> None:
        """Set it with the digests of its recovery codes, inside the caller's transaction.

        Raises:
            ConflictError: the account has one already.
        """
        connection = self.database.writing()
        try:
            connection.execute(insert(second_factors), asdict(factor))
        except IntegrityError as error:
            raise ConflictError(f"{factor.operator} has a second factor already") from error
        connection.execute(
            insert(_CODES),
            [{"operator": factor.operator, "code_digest": each} for each in recovery_codes],
        )

    def replace_sealed(self, operator: str, sealed_secret: bytes) -> None:
        """Replace the sealed secret, inside the caller's transaction."""
        statement = update(second_factors).where(_COLUMNS.operator == operator)
        self.database.writing().execute(statement.values(sealed_secret=sealed_secret))

    def advance(self, operator: str, step: int) -> bool:
        """Note a step, inside the caller's transaction; false when it is not beyond the last."""
        statement = update(second_factors).where(
            _COLUMNS.operator == operator, _COLUMNS.last_step < step
        )
        return self.database.writing().execute(statement.values(last_step=step)).rowcount > 0

    def spend_recovery_code(self, operator: str, digest: str) -> bool:
        """Drop a recovery code, inside the caller's transaction; whether it was there."""
        statement = delete(_CODES).where(
            _CODES.c.operator == operator, _CODES.c.code_digest == digest
        )
        return self.database.writing().execute(statement).rowcount > 0

    def recovery_codes_left(self, operator: str) -> int:
        """How many recovery codes an account has."""
        counted = select(func.count()).select_from(_CODES).where(_CODES.c.operator == operator)
        with self.database.read() as connection:
            return connection.execute(counted).scalar_one()

    def remove(self, operator: str) -> bool:
        """Drop it and its codes, inside the caller's transaction; whether there was one."""
        connection = self.database.writing()
        connection.execute(delete(_CODES).where(_CODES.c.operator == operator))
        statement = delete(second_factors).where(_COLUMNS.operator == operator)
        return connection.execute(statement).rowcount > 0
