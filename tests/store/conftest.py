"""A migrated database for each test, on both engines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgres import PostgreSQLServer, postgresql_server
from store.every_port import Stores, memory_stores, sql_stores

from app.store import migrate
from app.store.database import Database
from app.store.tables import metadata

# Not that of the how-to, which runs on the same server.
_NAME = "stores"


@pytest.fixture(scope="session")
def server() -> PostgreSQLServer:
    """The real PostgreSQL server of this test process."""
    return postgresql_server()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that nothing is connected to."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    with closing(Database.from_url(f"sqlite:///{path}")) as database:
        migrate.upgrade(database)
    return path


@pytest.fixture(scope="session")
def migrated_postgresql_url(server: PostgreSQLServer) -> str:
    """The URL of a migrated PostgreSQL database."""
    url = server.create(_NAME)
    with closing(Database.from_url(url)) as database:
        migrate.upgrade(database)
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database of this test's own."""
    path = shutil.copy(sqlite_template, tmp_path / "vouchgate.db")
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(server: PostgreSQLServer, migrated_postgresql_url: str) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database that is as new for each test."""
    yield migrated_postgresql_url
    # Emptying twelve tables takes a tenth of the time that a new database takes.
    tables = ", ".join(table for table in metadata.tables if table != "revisions")
    with server.connect(_NAME) as connection:
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
        connection.execute("UPDATE revisions SET value = 0")
        connection.execute("UPDATE alembic_version SET version_num = %s", [migrate.head()])


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database of this test's own, on each engine."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A migrated database of this test's own, on each engine."""
    with closing(Database.from_url(url)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(
    request: pytest.FixtureRequest, server: PostgreSQLServer, tmp_path: Path
) -> Iterator[str]:
    """The URL of an empty database, on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/100%.db"
        return
    name = f"empty_{tmp_path.name}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    """An empty database, on each engine."""
    with closing(Database.from_url(empty_url)) as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    """A moment with microseconds, so that a store that rounds is found out."""
    return datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


@pytest.fixture
def sql(database: Database) -> Stores:
    """Every port on each engine, for what only a database does."""
    return sql_stores(database)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Every port, on each engine and as a fake: what holds for one holds for all."""
    if request.param == "memory":
        yield memory_stores()
        return
    with closing(Database.from_url(request.getfixturevalue(f"{request.param}_url"))) as opened:
        yield sql_stores(opened)
