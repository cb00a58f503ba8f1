"""Locked, full, gone: a clear error, then recovery."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from postgres import PostgreSQLServer
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from store.every_port import sql_stores

from app.store.database import Database
from app.trust.errors import MalformedRequestError, StoreUnavailableError

SHORT = timedelta(milliseconds=200)
BLOB = b"x" * 100_000

_HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(url: str) -> Iterator[None]:
    """The SQLite file is locked by someone else while this block runs."""
    command = [sys.executable, "-c", _HOLD_LOCK, url.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A SQLite database that soon gives up waiting."""
    with closing(Database.from_url(sqlite_url, pool_size=1, patience=SHORT)) as opened:
        yield opened


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    """A PostgreSQL database with one connection, that soon gives up waiting."""
    with closing(Database.from_url(postgresql_url, pool_size=1, patience=SHORT)) as opened:
        yield opened


def consume(database: Database, digest: str, now: datetime) -> None:
    """One write in a transaction of its own."""
    with database.transaction():
        sql_stores(database).nonces.consume(digest, now)


def test_a_locked_file_is_unavailable_and_recovers(
    sqlite_url: str, sqlite_database: Database, now: datetime
) -> None:
    """While another process holds the lock writes fail in time; afterwards they work."""
    with (
        locked_by_another_process(sqlite_url),
        pytest.raises(StoreUnavailableError, match="locked") as failure,
    ):
        consume(sqlite_database, "a", now)
    assert failure.value.retry_after == 1
    assert isinstance(failure.value.__cause__, sqlite3.OperationalError)
    consume(sqlite_database, "a", now)


def test_reading_goes_on_while_another_process_writes(
    sqlite_url: str, sqlite_database: Database
) -> None:
    """The write-ahead log lets readers see the last committed state."""
    with locked_by_another_process(sqlite_url):
        assert sql_stores(sqlite_database).revisions.current().policies == 0


def test_a_thread_of_this_process_that_waits_too_long_is_told(
    sqlite_database: Database, now: datetime
) -> None:
    """Waiting for one's turn ends with the same error as waiting for the file."""
    with sqlite_database.transaction(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(consume, sqlite_database, "a", now)
        with pytest.raises(StoreUnavailableError, match="locked"):
            waiting.result()
    consume(sqlite_database, "a", now)


def test_a_full_disk_is_unavailable_and_recovers(sqlite_url: str, now: datetime) -> None:
    """Nothing of the transaction that met the end of the disk remains; freed space is used."""
    with closing(Database.from_url(sqlite_url, pool_size=1)) as database:
        stores = sql_stores(database)
        with database.read() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
        with pytest.raises(StoreUnavailableError, match="full"):
            _consume_and_fill(database, now)
        assert stores.revisions.current().policies == 0
        with database.read() as connection:
            connection.execute(text(f"PRAGMA max_page_count = {pages + 1000}"))
        _consume_and_fill(database, now)


def _consume_and_fill(database: Database, now: datetime) -> None:
    with database.transaction():
        sql_stores(database).nonces.consume("a", now)
        database.writing().execute(
            text(
                "INSERT INTO collateral (name, fetched_at, source, headers, body)"
                " VALUES ('name', 0, '', '{}', :blob)"
            ),
            {"blob": BLOB},
        )


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """An operator reads that the file is the fault."""
    path = tmp_path / "noise.db"
    path.write_bytes(b"this is no database" * 100)
    with (
        closing(Database.from_url(f"sqlite:///{path}")) as database,
        pytest.raises(StoreUnavailableError, match="cannot be read"),
    ):
        sql_stores(database).revisions.current()


def test_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    """SQLite makes files, not folders."""
    with (
        closing(Database.from_url(f"sqlite:///{tmp_path}/missing/vouchgate.db")) as database,
        pytest.raises(StoreUnavailableError, match="cannot be read"),
    ):
        sql_stores(database).revisions.current()


def end_backends(server: PostgreSQLServer, database: Database) -> None:
    """Have the server end every connection to this database."""
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [database.engine.url.database],
        )


def test_a_connection_that_ended_while_it_rested_is_replaced(
    server: PostgreSQLServer, postgresql_database: Database, now: datetime
) -> None:
    """A restart of the server between two requests is not noticed by the second."""
    consume(postgresql_database, "a", now)
    end_backends(server, postgresql_database)
    consume(postgresql_database, "b", now)


def test_a_connection_that_ends_within_a_transaction_is_unavailable_and_recovers(
    server: PostgreSQLServer, postgresql_database: Database, now: datetime
) -> None:
    """What was not committed is not there, and the next request works."""

    def attempt() -> None:
        with postgresql_database.transaction():
            nonces = sql_stores(postgresql_database).nonces
            nonces.consume("a", now)
            end_backends(server, postgresql_database)
            nonces.consume("b", now)

    with pytest.raises(StoreUnavailableError, match="out of reach"):
        attempt()
    consume(postgresql_database, "a", now)


def test_a_connection_that_ends_before_the_commit_is_unavailable(
    server: PostgreSQLServer, postgresql_database: Database, now: datetime
) -> None:
    """An unconfirmed commit is never reported as done."""

    def attempt() -> None:
        with postgresql_database.transaction():
            sql_stores(postgresql_database).nonces.consume("a", now)
            end_backends(server, postgresql_database)

    with pytest.raises(StoreUnavailableError, match="out of reach"):
        attempt()
    consume(postgresql_database, "a", now)


def test_the_first_error_is_told_when_rolling_back_fails_too(
    server: PostgreSQLServer, postgresql_database: Database
) -> None:
    """A lost connection must not hide why the transaction was given up."""

    def attempt() -> None:
        with postgresql_database.transaction():
            end_backends(server, postgresql_database)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        attempt()
    assert sql_stores(postgresql_database).revisions.current().policies == 0


def test_a_row_that_another_transaction_holds_is_unavailable(
    server: PostgreSQLServer, postgresql_database: Database, now: datetime
) -> None:
    """Waiting for a lock ends in time."""
    with server.connect(str(postgresql_database.engine.url.database)) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE consumed_nonces")
        with pytest.raises(StoreUnavailableError, match="locked"):
            consume(postgresql_database, "a", now)
    consume(postgresql_database, "a", now)


def test_a_statement_that_takes_too_long_is_unavailable(postgresql_database: Database) -> None:
    """No request hangs on the database for ever."""
    with postgresql_database.read() as connection:
        connection.execute(text("SET statement_timeout = 10"))
        with pytest.raises(StoreUnavailableError, match="too long"):
            connection.execute(text("SELECT pg_sleep(5)"))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Refused connections are an outage, not a fault of the caller."""
    with (
        closing(Database.from_url("postgresql+psycopg://u@127.0.0.1:1/x")) as database,
        pytest.raises(StoreUnavailableError, match="out of reach"),
    ):
        sql_stores(database).revisions.current()


def test_a_pool_that_is_used_up_is_unavailable(postgresql_database: Database) -> None:
    """More threads than connections wait, but not for ever."""
    with (
        postgresql_database.read(),
        pytest.raises(StoreUnavailableError, match="busy"),
        postgresql_database.read(),
    ):
        pass


def test_a_nul_is_malformed_where_it_cannot_be_stored(postgresql_database: Database) -> None:
    """PostgreSQL's text has no NUL; a guest that sends one gets a 4xx."""
    with pytest.raises(MalformedRequestError):
        sql_stores(postgresql_database).reference_values.find("a\x00b")


def test_a_number_is_malformed_where_it_cannot_be_stored(database: Database) -> None:
    """Both engines count to 2^63."""
    with pytest.raises(MalformedRequestError):
        sql_stores(database).audit.page(before=2**70, limit=1)


def test_a_missing_table_is_a_fault_of_ours(database: Database) -> None:
    """Trying again later would not help, so it is not said."""
    with (
        pytest.raises((OperationalError, ProgrammingError)),
        database.read() as connection,
    ):
        connection.execute(text("SELECT 1 FROM no_such_table"))


def test_errors_carry_no_parameters(database: Database) -> None:
    """What was sealed, or should have been, is in no message and so in no log."""
    canary = "canary-4f1d"
    with pytest.raises(Exception, match="no_such") as failure, database.transaction():
        database.writing().execute(text("INSERT INTO no_such VALUES (:a)"), {"a": canary})
    assert canary not in f"{failure.value!r} {failure.value}"
