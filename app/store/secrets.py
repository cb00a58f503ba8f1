"""Sealed secrets: a row for each path, a row for each version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.broker.secrets import (
    EVERY_PATH,
    VERSION_PAGE,
    DeletedSecret,
    PathPrefix,
    ResourceID,
    SealedSecret,
    SecretVersion,
)
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
    secret_versions.c.restored_from,
)
_FIND = (
    select(secret_versions.c.version, secret_versions.c.sealed)
    .select_from(_ACTIVE)
    .where(*_OF_PATH)
)
_FIND_VERSION = (
    select(secret_versions.c.version, secret_versions.c.sealed)
    .select_from(_EVERY)
    .where(*_OF_PATH, secret_versions.c.version == bindparam("of_version"))
)
_VERSIONS = (
    _METADATA.select_from(_EVERY).where(*_OF_PATH).order_by(secret_versions.c.version.desc())
)
# The conditions are those of the partial indexes, without which they would not be used.
_IS_ACTIVE = secrets.c.active_version.is_not(None)
_IS_DELETED = secrets.c.deleted_at.is_not(None)
_BY_PATH = _METADATA.select_from(_ACTIVE).where(_IS_ACTIVE).order_by(*_PATH)
_SEALED_VERSIONS = _SEALED.select_from(_EVERY).order_by(*_PATH, secret_versions.c.version)
_DELETED = (
    select(*_PATH, secrets.c.last_version, secrets.c.deleted_at, secrets.c.deleted_by)
    .where(_IS_DELETED)
    .order_by(*_PATH)
)
_FORGET_DELETION = (
    update(secrets)
    .where(*_OF_PATH, secrets.c.deleted_at == bindparam("since"))
    .values(deleted_at=None, deleted_by=None)
)
_SECRET_ID = select(secrets.c.secret_id).where(*_OF_PATH)
_ACTIVATE = (
    update(secrets)
    .where(secrets.c.secret_id == bindparam("of_secret_id"))
    .values(
        last_version=bindparam("number"),
        active_version=bindparam("number"),
        deleted_at=None,
        deleted_by=None,
    )
)
# Sorts after every character that a path may have.
_AFTER_EVERY_NAME = "\x7f"


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
            "restored_from": version.restored_from,
            "sealed": sealed,
        }
        try:
            connection.execute(insert(secret_versions), row)
        except IntegrityError as error:
            raise ConflictError("this version of the secret exists already") from error
        connection.execute(_ACTIVATE, {"of_secret_id": secret_id, "number": version.version})

    def find_version(self, resource_id: ResourceID, version: int) -> SealedSecret | None:
        """A version by its number, of a deleted secret too."""
        wanted = _of_path(resource_id) | {"of_version": version}
        with self.database.read() as connection:
            row = connection.execute(_FIND_VERSION, wanted).first()
        return None if row is None else SealedSecret(resource_id, row[0], row[1])

    def delete(self, resource_id: ResourceID, at: datetime, by: str) -> bool:
        """Take the secret away from guests; its versions stay. Whether there was one."""
        statement = (
            update(secrets)
            .where(*_OF_PATH, _IS_ACTIVE)
            .values(active_version=None, deleted_at=at, deleted_by=by)
        )
        return self.database.writing().execute(statement, _of_path(resource_id)).rowcount > 0

    def versions(
        self, resource_id: ResourceID, *, below: int | None = None, limit: int = VERSION_PAGE
    ) -> list[SecretVersion]:
        """Versions, newest first; see ``SecretStore.versions``."""
        statement = _VERSIONS.limit(limit)
        if below is not None:
            statement = statement.where(secret_versions.c.version < below)
        with self.database.read() as connection:
            rows = connection.execute(statement, _of_path(resource_id)).all()
        return [_version(row) for row in rows]

    def page(
        self, *, after: ResourceID | None, limit: int, within: PathPrefix = EVERY_PATH
    ) -> list[SecretVersion]:
        """The active version of each secret, by id; see ``SecretStore.page``."""
        statement = _BY_PATH.where(*_begins_with(within), *_beyond(after, within)).limit(limit)
        with self.database.read() as connection:
            return [_version(row) for row in connection.execute(statement)]

    def folders(self, within: tuple[str, ...], *, after: str | None, limit: int) -> list[str]:
        """The names of one level, in order; see ``SecretStore.folders``.

        One step of the index for each of them, however many secrets lie below.
        """
        column = _PATH[len(within)]
        following = (
            select(column)
            .where(_IS_ACTIVE, *_begins_with(PathPrefix(within)), column > bindparam("after"))
            .order_by(*_PATH)
            .limit(1)
        )
        found: list[str] = []
        with self.database.read() as connection:
            while len(found) < limit:
                last = found[-1] if found else after or ""
                name = connection.execute(following, {"after": last}).scalar()
                if name is None:
                    break
                found.append(name)
        return found

    def find_deleted(self, resource_id: ResourceID) -> DeletedSecret | None:
        """The secret when it was deleted and its versions are still here."""
        with self.database.read() as connection:
            row = connection.execute(_DELETED.where(*_OF_PATH), _of_path(resource_id)).first()
        return None if row is None else _deleted(row)

    def deleted(
        self, *, after: ResourceID | None, limit: int, until: datetime | None = None
    ) -> list[DeletedSecret]:
        """Deleted secrets, by id; see ``SecretStore.deleted``."""
        statement = _DELETED.where(*_beyond(after, EVERY_PATH)).limit(limit)
        if until is not None:
            statement = statement.where(secrets.c.deleted_at <= until)
        with self.database.read() as connection:
            return [_deleted(row) for row in connection.execute(statement)]

    def destroy(self, deleted: DeletedSecret) -> bool:
        """Erase every version of a deleted secret, inside the caller's transaction."""
        connection = self.database.writing()
        path = _of_path(deleted.resource_id)
        done = connection.execute(_FORGET_DELETION, path | {"since": deleted.deleted_at})
        if not done.rowcount:
            return False
        every = delete(secret_versions).where(
            secret_versions.c.secret_id == _SECRET_ID.scalar_subquery()
        )
        connection.execute(every, path)
        return True

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


def _begins_with(prefix: PathPrefix) -> list[ColumnElement[bool]]:
    """Conditions that keep to paths with this prefix."""
    conditions = [column == name for column, name in zip(_PATH, prefix.segments, strict=False)]
    if prefix.beginning:
        column = _PATH[len(prefix.segments)]
        conditions += [
            column >= prefix.beginning,
            column < prefix.beginning + _AFTER_EVERY_NAME,
        ]
    return conditions


def _beyond(after: ResourceID | None, prefix: PathPrefix) -> list[ColumnElement[bool]]:
    """The condition that begins a page; without columns that the prefix fixes, for the index."""
    if after is None:
        return []
    fixed = len(prefix.segments)
    place = (after.repository, after.type, after.tag)
    if place[:fixed] != prefix.segments:
        return [tuple_(*_PATH) > tuple_(*place)]
    return [tuple_(*_PATH[fixed:]) > tuple_(*place[fixed:])]


def _version(
    row: Row[str, str, str, int, int, datetime, str, bool, int | None],
) -> SecretVersion:
    repository, kind, tag, version, size_bytes, created_at, created_by, active, restored = row
    resource_id = ResourceID(repository, kind, tag)
    return SecretVersion(resource_id, version, size_bytes, created_at, created_by, active, restored)


def _deleted(row: Row[str, str, str, int, datetime, str | None]) -> DeletedSecret:
    repository, kind, tag, version, deleted_at, deleted_by = row
    return DeletedSecret(ResourceID(repository, kind, tag), version, deleted_at, deleted_by)
