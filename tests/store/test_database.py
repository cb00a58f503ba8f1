"""Connections and transactions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from postgres import PostgreSQLServer
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPICursor
from store.every_port import sql_stores
from store.threads import at_once

from app.broker.secrets import ResourceID
from app.store import migrate
from app.store.database import Database, checked_url, init_app
from app.store.tables import revisions
from app.trust.errors import ConfigError
from app.trust.policies import PolicyKind


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "mysql://host/name",
        "postgresql+psycopg2://host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_an_unsupported_url_is_refused(url: str) -> None:
    """Before anything is served, with the setting's name."""
    with pytest.raises(ConfigError, match=r"database\.url"):
        checked_url(url)


def test_transactions_do_not_nest(database: Database) -> None:
    """An inner block that seemed to commit would not have."""
    with (
        database.transaction(),
        pytest.raises(RuntimeError, match="nest"),
        database.transaction(),
    ):
        pass


def test_a_write_without_a_transaction_is_refused(database: Database) -> None:
    """Also right after a transaction, and after one that failed."""
    with pytest.raises(RuntimeError, match="inside of a transaction"):
        database.writing()
    with database.transaction():
        database.writing()
    with pytest.raises(RuntimeError, match="inside of a transaction"):
        database.writing()


def test_a_transaction_reads_its_own_writes(database: Database, now: datetime) -> None:
    """Reads join the open transaction, and others see nothing of it before the commit."""
    count = text("SELECT count(*) FROM consumed_nonces")

    def read(_: int) -> int:
        with database.read() as connection:
            return int(connection.execute(count).scalar_one())

    with database.transaction():
        sql_stores(database).nonces.consume("a", now)
        inside, outside = read(0), at_once(1, read)[0]
    assert (inside, outside, read(0)) == (1, 0, 1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_leaving_by_an_exception_rolls_back(
    database: Database, now: datetime, error: type[BaseException]
) -> None:
    """Also when the process is told to end."""

    def attempt() -> None:
        with database.transaction():
            sql_stores(database).nonces.consume("a", now)
            raise error

    for _ in range(2):
        with pytest.raises(error):
            attempt()


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement that is executed, as it goes to the driver."""
    seen: list[str] = []

    def note(_: object, __: DBAPICursor, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def test_each_hot_read_is_one_statement(
    database: Database, statements: list[str], now: datetime
) -> None:
    """No BEGIN, no second look: what a request reads, it reads at once."""
    stores = sql_stores(database)
    stores.revisions.current()
    stores.sessions.find("a" * 64)
    stores.secrets.find(ResourceID("a", "b", "c"))
    stores.reference_values.find("name")
    assert [statement.split()[0] for statement in statements] == ["SELECT"] * 4
    with database.transaction():
        stores.nonces.consume("a", now)
    assert statements[4].startswith("BEGIN")
    assert len(statements) == 6


def test_hot_reads_search_an_index(sqlite_url: str) -> None:
    """None of them grows with the number of sessions, secrets or reference values."""
    asked: list[tuple[str, tuple[str, ...]]] = []

    def note(_: object, __: object, statement: str, values: tuple[str, ...], *___: object) -> None:
        asked.append((statement, values))

    with closing(Database.from_url(sqlite_url)) as database:
        event.listen(database.engine, "before_cursor_execute", note)
        stores = sql_stores(database)
        stores.sessions.find("a" * 64)
        stores.secrets.find(ResourceID("a", "b", "c"))
        stores.secrets.page(after=ResourceID("a", "b", "c"), limit=10)
        stores.reference_values.find("name")
        stores.reference_values.page(after="name", limit=10)
        stores.policies.active(PolicyKind.RESOURCE)
        stores.policies.by_digest("0" * 64)
        plans = []
        with database.read() as connection:
            for statement, values in tuple(asked):
                explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                plans += [row.detail for row in explained]
    assert len(plans) >= 7
    assert not [plan for plan in plans if not plan.startswith("SEARCH")]


def test_reads_hold_no_transaction_on_the_server(
    server: PostgreSQLServer, postgresql_url: str
) -> None:
    """An idle connection that still has a snapshot would keep the server from cleaning up."""
    with closing(Database.from_url(postgresql_url)) as database, database.read() as connection:
        connection.execute(revisions.select())
        with server.connect() as watcher:
            (state,) = watcher.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = %s",
                [database.engine.url.database],
            ).fetchall()
    assert state == ("idle",)


def test_sqlite_syncs_every_commit(sqlite_url: str) -> None:
    """The settings on which durability and integrity rest are those of every connection."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    with closing(Database.from_url(sqlite_url)) as database, database.read() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas}
    assert found == pragmas


def test_postgresql_bounds_every_wait(postgresql_url: str) -> None:
    """Locks, statements and forgotten transactions end; the operator's own options win."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    url = f"{postgresql_url}?options=-c%20statement_timeout%3D1min"
    with closing(Database.from_url(url)) as database, database.read() as connection:
        found = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert found == ["5s", "1min", "1min"]


def test_the_unix_socket_serves_too(server: PostgreSQLServer, postgresql_url: str) -> None:
    """A database on the same machine needs no port."""
    url = server.socket_url(postgresql_url.rpartition("/")[2])
    with closing(Database.from_url(url)) as database:
        assert sql_stores(database).revisions.current().policies == 0


def test_an_application_gets_the_same_database(tmp_path: Path, now: datetime) -> None:
    """Flask-SQLAlchemy's engine has our options, and its path is the one that was written."""
    app = Flask("test")
    database = init_app(app, f"sqlite:///{tmp_path}/app.db")
    with closing(database):
        migrate.upgrade(database)
        with database.transaction():
            sql_stores(database).nonces.consume("a", now)
        with database.read() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
    assert (tmp_path / "app.db").exists()


def test_passwords_stay_out_of_logs_and_representations(caplog: pytest.LogCaptureFixture) -> None:
    """The URL holds the database user's password."""
    caplog.set_level(logging.DEBUG)
    with closing(Database.from_url("postgresql://u:canary-77@127.0.0.1:1/x")) as database:
        with pytest.raises(Exception, match="out of reach") as failure:
            sql_stores(database).revisions.current()
        shown = f"{database.engine!r} {failure.value!r} {failure.value.__cause__} {caplog.text}"
    assert "canary-77" not in shown
