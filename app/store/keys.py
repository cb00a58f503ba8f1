"""Sealed keys: at most one *next* and one *current* key for each purpose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.database import Database
from app.store.revisions import Counted, raise_revision
from app.store.tables import stored_keys
from app.trust.errors import ConflictError, NotFoundError
from app.trust.signing_keys import KeyPurpose, KeyState, StoredKey

_COLUMNS = stored_keys.c
_ALL = (
    select(
        _COLUMNS.key_id,
        _COLUMNS.state,
        _COLUMNS.sealed_private,
        _COLUMNS.public_jwk,
        _COLUMNS.certificates,
        _COLUMNS.created_at,
        _COLUMNS.retires_at,
    )
    .where(_COLUMNS.purpose == bindparam("of_purpose"))
    .order_by(_COLUMNS.created_at.desc(), _COLUMNS.key_id)
)


@dataclass(frozen=True, slots=True)
class SQLKeyStore:
    """Sealed keys in the database."""

    database: Database

    def all(self, purpose: KeyPurpose) -> list[StoredKey]:
        """Every key of a purpose, newest first."""
        with self.database.read() as connection:
            rows = connection.execute(_ALL, {"of_purpose": purpose.value}).all()
        return [
            StoredKey(
                row.key_id,
                purpose,
                KeyState(row.state),
                row.sealed_private,
                row.public_jwk,
                row.certificates,
                row.created_at,
                row.retires_at,
            )
            for row in rows
        ]

    def add(self, key: StoredKey) -> None:
        """Add a key; raises the ``signing_keys`` revision.

        Raises:
            ConflictError: the key id is taken, or the purpose has a key in a state of which there
                can be one only (``next``, ``current``).
        """
        connection = self._writing()
        row = {
            "key_id": key.key_id,
            "purpose": key.purpose.value,
            "state": key.state.value,
            "sealed_private": key.sealed_private,
            "public_jwk": key.public_jwk,
            "certificates": key.certificates,
            "created_at": key.created_at,
            "retires_at": key.retires_at,
        }
        try:
            connection.execute(insert(stored_keys), row)
        except IntegrityError as error:
            raise ConflictError(
                f"there is a {key.state} key for {key.purpose} already, or one of this id"
            ) from error

    def set_state(self, key_id: str, state: KeyState, retires_at: datetime | None = None) -> None:
        """Move a key through its life; raises the ``signing_keys`` revision.

        Raises:
            NotFoundError: there is no such key.
            ConflictError: its purpose has a key in that state, and there can be one only.
        """
        changed = {"state": state.value, "retires_at": retires_at}
        statement = update(stored_keys).where(_COLUMNS.key_id == key_id).values(changed)
        try:
            found = self._writing().execute(statement).rowcount
        except IntegrityError as error:
            raise ConflictError(f"there is a {state} key for this purpose already") from error
        if not found:
            raise NotFoundError("there is no key of this id")

    def remove(self, key_id: str) -> None:
        """Forget a key, if it is there; raises the ``signing_keys`` revision."""
        self._writing().execute(delete(stored_keys).where(_COLUMNS.key_id == key_id))

    def replace_sealed(self, key_id: str, sealed_private: bytes) -> None:
        """Store the rewrapped private material of a key; one that was removed stays so."""
        statement = (
            update(stored_keys)
            .where(_COLUMNS.key_id == key_id)
            .values(sealed_private=sealed_private)
        )
        self.database.writing().execute(statement)

    def _writing(self) -> Connection:
        connection = self.database.writing()
        raise_revision(connection, Counted.SIGNING_KEYS)
        return connection
