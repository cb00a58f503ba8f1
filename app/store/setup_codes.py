"""The one setup code that may be out, as a digest."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from app.console.first_run import SetupCode
from app.store.database import Database
from app.store.tables import setup_codes

_FIND = select(setup_codes.c.digest, setup_codes.c.expires_at)


@dataclass(frozen=True, slots=True)
class SQLSetupCodeStore:
    """The code in the database."""

    database: Database

    def find(self) -> SetupCode | None:
        """The code."""
        with self.database.read() as connection:
            row = connection.execute(_FIND).first()
        return None if row is None else SetupCode(*row)

    def replace(self, code: SetupCode) -> None:
        """Make this the one code, inside the caller's transaction."""
        self.clear()
        self.database.writing().execute(insert(setup_codes), asdict(code))

    def clear(self) -> None:
        """Forget the code, inside the caller's transaction."""
        self.database.writing().execute(delete(setup_codes))
