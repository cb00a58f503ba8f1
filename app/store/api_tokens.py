"""API tokens, by their id."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from app.console.api_tokens import APIToken
from app.console.permissions import Permission, Role
from app.store.database import Database
from app.store.tables import api_tokens

_COLUMNS = api_tokens.c
_ALL = select(api_tokens)
_FIND = _ALL.where(_COLUMNS.token_id == bindparam("of_id"))


@dataclass(frozen=True, slots=True)
class SQLAPITokenStore:
    """Tokens in the database."""

    database: Database

    def find(self, token_id: str) -> APIToken | None:
        """The token, expired or not."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_id": token_id}).first()
        return None if row is None else _token(row)

    def add(self, token: APIToken) -> None:
        """Add a token, inside the caller's transaction."""
        names = None if token.permissions is None else sorted(token.permissions)
        row = asdict(token) | {"permissions": names}
        self.database.writing().execute(insert(api_tokens), row)

    def use(self, token_id: str, at: datetime) -> None:
        """Write down when it was last used, inside the caller's transaction."""
        statement = update(api_tokens).where(_COLUMNS.token_id == token_id)
        self.database.writing().execute(statement.values(used_at=at))

    def remove(self, token_id: str) -> None:
        """Drop a token, inside the caller's transaction."""
        self.database.writing().execute(delete(api_tokens).where(_COLUMNS.token_id == token_id))

    def page(self, *, account: str | None, after: str | None, limit: int) -> list[APIToken]:
        """Tokens by id, those of one account or all, with an id above ``after``."""
        statement = _ALL.order_by(_COLUMNS.token_id).limit(limit)
        if account is not None:
            statement = statement.where(_COLUMNS.account == account)
        if after is not None:
            statement = statement.where(_COLUMNS.token_id > after)
        with self.database.read() as connection:
            return [_token(row) for row in connection.execute(statement)]


def _token(row: Row[*tuple[Any, ...]]) -> APIToken:
    return APIToken(
        token_id=row.token_id,
        label=row.label,
        role=Role(row.role),
        permissions=_permissions(row.permissions),
        maker=row.maker,
        account=row.account,
        digest=row.digest,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def _permissions(names: list[str] | None) -> frozenset[Permission] | None:
    """Those that there still are: a permission that went away widens nothing."""
    if names is None:
        return None
    return frozenset(permission for permission in Permission if permission in names)
