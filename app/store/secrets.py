"""Sealed secrets: a row for each path, a row for each version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from app.broker.secrets import ResourceID, SealedSecret, SecretVersion
from app.store.database import Database
from app.store.tables import secret_versions, secrets
from app.trust.errors import ConflictError

_PATH = (secrets.c.repository, secrets.c.type, secrets.c.tag)
_OF_PATH = (
    secrets.c.repository == bindparam("of_repository"),
    secrets.c.type == bindparam("of_type"),
    secrets.c.tag == bindparam("of_tag"),
)
_EVERY = secrets.join(secret_versions, secrets.c.secret_id == secret_versions.c.secret_id)
_ACTIVE = secrets.join(
    secret_versions,
    and_(
        secrets.c.secret_id == secret_versions.c.secret_id,
        secrets.c.active_version == secret_versions.c.version,
    ),
)
_SEALED = select(*_PATH, secret_versions.c.version, secret_versions.c.sealed)
_METADATA = select(
    *_PATH,
    secret_versions.c.version,
    secret_versions.c.size_bytes,
    secret_versions.c.created_at,
    secret_versions.c.created_by,
    (secrets.c.active_version.is_not_distinct_from(secret_versions.c.version)).label("active"),
)
_FIND = (
    select(secret_versions.c.version, secret_versions.c.sealed)
    .select_from(_ACTIVE)
    .where(*_OF_PATH)
)
_VERSIONS = (
    _METADATA.select_from(_EVERY).where(*_OF_PATH).order_by(secret_versions.c.version.desc())
)
_BY_PATH = _METADATA.select_from(_ACTIVE).order_by(*_PATH)
_SEALED_VERSIONS = _SEALED.select_from(_EVERY).order_by(*_PATH, secret_versions.c.version)
_NEXT_REPOSITORY = (
    select(secrets.c.repository)
    .where(secrets.c.repository > bindparam("after"), secrets.c.active_version.is_not(None))
    .order_by(secrets.c.repository)
    .limit(1)
)
_SECRET_ID = select(secrets.c.secret_id).where(*_OF_PATH)
_ACTIVATE = (
    update(secrets)
    .where(secrets.c.secret_id == bindparam("of_secret_id"))
    .values(last_version=bindparam("number"), active_version=bindparam("number"), deleted_at=None)
)


@dataclass(frozen=True, slots=True)
class SQLSecretStore:
    """Sealed secrets in the database."""

    database: Database

    def find(self, resource_id: ResourceID) -> SealedSecret | None:
        """The active version, or ``None`` when there is none or it was deleted."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, _of_path(resource_id)).first()
        return None if row is None else SealedSecret(resource_id, row[0], row[1])

    def next_version(self, resource_id: ResourceID) -> int:
        """The number that the next version will have, inside the caller's transaction.

        On PostgreSQL the secret's row stays locked until the transaction ends, so that two
        writers of one secret take turns.
        """
        return self._locked(self.database.writing(), resource_id)[1] + 1

    def add(self, version: SecretVersion, sealed: bytes) -> None:
        """Append a version and make it the active one, inside the caller's transaction.

        Raises:
            ConflictError: the version exists.
        """
        connection = self.database.writing()
        secret_id, _ = self._locked(connection, version.resource_id)
        row = {
            "secret_id": secret_id,
            "version": version.version,
            "size_bytes": version.size_bytes,
            "created_at": version.created_at,
            "created_by": version.created_by,
            "sealed": sealed,
        }
        try:
            connection.execute(insert(secret_versions), row)
        except IntegrityError as error:
            raise ConflictError("this version of the secret exists already") from error
        connection.execute(_ACTIVATE, {"of_secret_id": secret_id, "number": version.version})

    def delete(self, resource_id: ResourceID, at: datetime) -> bool:
        """Take the secret away from guests; versions stay until purged. Whether there was one."""
        statement = (
            update(secrets)
            .where(*_OF_PATH, secrets.c.active_version.is_not(None))
            .values(active_version=None, deleted_at=at)
        )
        return self.database.writing().execute(statement, _of_path(resource_id)).rowcount > 0

    def versions(self, resource_id: ResourceID) -> list[SecretVersion]:
        """Every version, newest first; empty when the secret never existed."""
        with self.database.read() as connection:
            rows = connection.execute(_VERSIONS, _of_path(resource_id)).all()
        return [_version(row) for row in rows]

    def page(
        self, *, after: ResourceID | None, limit: int, within: tuple[str, ...] = ()
    ) -> list[SecretVersion]:
        """The active version of each secret, by id; see ``SecretStore.page``."""
        statement = _BY_PATH.limit(limit)
        for column, wanted in zip(_PATH, within, strict=False):
            statement = statement.where(column == wanted)
        if after is not None:
            place = tuple_(after.repository, after.type, after.tag)
            statement = statement.where(tuple_(*_PATH) > place)
        with self.database.read() as connection:
            return [_version(row) for row in connection.execute(statement)]

    def repositories(self, limit: int) -> list[str]:
        """The first repositories that have a secret, in order.

        One step of the index for each of them, however many secrets a repository has.
        """
        found: list[str] = []
        with self.database.read() as connection:
            while len(found) < limit:
                after = {"after": found[-1] if found else ""}
                name = connection.execute(_NEXT_REPOSITORY, after).scalar()
                if name is None:
                    break
                found.append(name)
        return found

    def sealed_versions(self) -> list[SealedSecret]:
        """Every sealed version; for rewrapping under another key-encryption key."""
        with self.database.read() as connection:
            rows = connection.execute(_SEALED_VERSIONS).all()
        return [SealedSecret(ResourceID(*row[:3]), row[3], row[4]) for row in rows]

    def replace_sealed(self, secret: SealedSecret) -> None:
        """Store the rewrapped form of a version, inside the caller's transaction.

        A version that was purged meanwhile stays so.
        """
        statement = (
            update(secret_versions)
            .where(
                secret_versions.c.secret_id == _SECRET_ID.scalar_subquery(),
                secret_versions.c.version == secret.version,
            )
            .values(sealed=secret.sealed)
        )
        self.database.writing().execute(statement, _of_path(secret.resource_id))

    def _locked(self, connection: Connection, resource_id: ResourceID) -> tuple[int, int]:
        """The row of a path, made when it is missing: its id and the number of its last version."""
        new = self.database.insert(secrets).values(
            repository=resource_id.repository,
            type=resource_id.type,
            tag=resource_id.tag,
            last_version=0,
        )
        # An update that changes nothing, because it locks the row and returns it; "do nothing"
        # would do neither.
        upsert = new.on_conflict_do_update(
            index_elements=_PATH, set_={"last_version": secrets.c.last_version}
        ).returning(secrets.c.secret_id, secrets.c.last_version)
        row = connection.execute(upsert).one()
        return row.secret_id, row.last_version


def _of_path(resource_id: ResourceID) -> dict[str, str]:
    return {
        "of_repository": resource_id.repository,
        "of_type": resource_id.type,
        "of_tag": resource_id.tag,
    }


def _version(
    row: Row[str, str, str, int, int, datetime, str, bool],
) -> SecretVersion:
    repository, kind, tag, version, size_bytes, created_at, created_by, active = row
    resource_id = ResourceID(repository, kind, tag)
    return SecretVersion(resource_id, version, size_bytes, created_at, created_by, active)
