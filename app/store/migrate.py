"""Bringing a database to this program's schema, and telling whether it is there.

The migrations are Alembic's (``migrations/versions``); ``flask db`` makes new ones. A migration is
one transaction on both engines, DDL included: it happens whole or not at all.

Alembic itself is only loaded where there is something to migrate: a command on a database that is
as it should be starts sooner without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, func, inspect, select, table

import migrations
from app.store.database import Database
from app.trust.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(migrations.__file__).parent

# How long a second process waits for one that is migrating.
_PATIENCE = timedelta(minutes=10)

# The advisory lock under which PostgreSQL lets one process at a time migrate; an arbitrary number
# that no other lock of ours has.
_MIGRATION_LOCK = 0x766F756368_01

# Where Alembic notes a database's revision.
_VERSIONS = table("alembic_version", column("version_num"))


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to a revision, from an empty database or an older revision.

    Of several processes that do so at once one migrates, and the others find it done.

    Raises:
        ConfigError: the database was made by a newer version of this program.
        StoreUnavailableError: the database is locked, full, or out of reach.
    """
    if not database.is_postgresql:
        # What rests is sealed, but whose secrets there are is nobody else's business.
        Path(str(database.engine.url.database)).touch(mode=0o600)
    if revision == "head" and current_is_head(database):
        return
    from alembic import command

    with _alone(database) as connection, _known_revisions():
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to an older revision; ``base`` drops everything.

    Raises:
        ConfigError: there is no such revision.
        StoreUnavailableError: the database is locked, full, or out of reach.
    """
    from alembic import command

    with _alone(database) as connection, _known_revisions():
        command.downgrade(_config(connection), revision)


def head() -> str:
    """The revision that this program was written for: files are named after theirs, in order."""
    return max(path.name.partition("_")[0] for path in FOLDER.glob("versions/[0-9]*.py"))


def current_is_head(database: Database) -> bool:
    """Whether the schema is the one that this program was written for.

    Raises:
        StoreUnavailableError: the database is out of reach.
    """
    with database.read() as connection:
        if not inspect(connection).has_table(_VERSIONS.name):
            return False
        return connection.execute(select(_VERSIONS.c.version_num)).scalars().all() == [head()]


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction that no other process migrates beside, on a connection that waits for it."""
    patient = Database.from_url(database.engine.url, pool_size=1, patience=_PATIENCE)
    with closing(patient), patient.transaction():
        connection = patient.writing()
        # SQLite's write lock is the lock of the whole file, and the transaction has it.
        if patient.is_postgresql:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        yield connection


@contextmanager
def _known_revisions() -> Iterator[None]:
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise ConfigError(
            ["the database has a schema that this version of the program does not know"]
        ) from error
