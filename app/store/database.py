"""The database: engine options, reads without a transaction, transactions that the services own.

Every connection is in the driver's autocommit mode, so a read is one statement and nothing else;
``Database.transaction`` says ``BEGIN`` itself. SQLite takes its write lock right there: a
transaction that began by reading could lose the race for the lock half way.
"""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from app.store.failures import domain_error
from app.store.tables import metadata
from app.trust.errors import ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    import psycopg

# How long a request waits for a lock or for a connection of the pool.
PATIENCE = timedelta(seconds=5)
POOL_SIZE = 8
_CONNECT_TIMEOUT_SECONDS = 5
_WAL_ATTEMPTS, _WAL_PAUSE_SECONDS = 50, 0.02
_STATEMENT_TIMEOUT_MS = 30_000
_IDLE_TRANSACTION_TIMEOUT_MS = 60_000

db = SQLAlchemy(metadata=metadata)


class EngineOptions(TypedDict):
    """What ``sqlalchemy.create_engine`` takes besides the URL."""

    connect_args: dict[str, str | int | float | bool]
    hide_parameters: bool
    isolation_level: str
    max_overflow: int
    pool_size: int
    pool_timeout: float
    poolclass: type[QueuePool]


class Database:
    """An engine, and the transaction that is open in this thread."""

    def __init__(self, engine: Engine, *, patience: timedelta = PATIENCE) -> None:
        """Take an engine that was made with ``engine_options``."""
        self.engine = engine
        self._patience = patience
        self._open = threading.local()
        # SQLite has one writer at a time and lets the others sleep and look again. Those of this
        # process wait here instead, where they are woken in time.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None
        self._begin = "BEGIN" if self._turn is None else "BEGIN IMMEDIATE"
        event.listen(engine, "handle_error", domain_error)
        if self._turn is None:
            event.listen(engine, "checkout", _refuse_lost_connection)
        else:
            event.listen(engine, "connect", _set_pragmas)

    @classmethod
    def from_url(
        cls, url: str | URL, *, pool_size: int = POOL_SIZE, patience: timedelta = PATIENCE
    ) -> Database:
        """A database without a Flask application.

        Raises:
            ConfigError: the URL is of no engine that is supported.
        """
        url = checked_url(url)
        options = engine_options(url, pool_size=pool_size, patience=patience)
        return cls(create_engine(url, **options), patience=patience)

    @property
    def is_postgresql(self) -> bool:
        """Whether the engine is PostgreSQL; otherwise it is SQLite."""
        return self._turn is None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from: that of this thread's transaction, or one without any.

        Raises:
            StoreUnavailableError: the database is locked, or out of reach.
        """
        joined = self._joined()
        if joined is not None:
            yield joined
            return
        with self._connected() as connection:
            yield connection

    def writing(self) -> Connection:
        """The connection of this thread's transaction; without one, asking is a programming error.

        Raises:
            RuntimeError: no transaction is open.
        """
        joined = self._joined()
        if joined is None:
            raise RuntimeError("writes happen inside of a transaction")
        return joined

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All reads and writes of this block happen together (the port ``Transactions``).

        Raises:
            StoreUnavailableError: the database is locked, full, or out of reach.
            RuntimeError: a transaction is open already; they do not nest.
        """
        if self._joined() is not None:
            raise RuntimeError("transactions do not nest")
        with self._writer(), self._connected() as connection:
            connection.exec_driver_sql(self._begin)
            self._open.connection = connection
            try:
                yield
            except BaseException:
                _roll_back(connection)
                raise
            else:
                connection.commit()
            finally:
                self._open.connection = None

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An ``INSERT`` of this engine; both know ``on_conflict_do_update``."""
        return postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _joined(self) -> Connection | None:
        return getattr(self._open, "connection", None)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            connection = self.engine.connect()
        except PoolTimeoutError as error:
            raise StoreUnavailableError("the database is busy", retry_after=1) from error
        with connection:
            yield connection

    @contextmanager
    def _writer(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._patience.total_seconds()):
            raise StoreUnavailableError("the database is locked", retry_after=1)
        try:
            yield
        finally:
            self._turn.release()


def init_app(app: Flask, url: str | URL, *, pool_size: int = POOL_SIZE) -> Database:
    """Bind ``db`` to an application and return its database.

    Raises:
        ConfigError: the URL is of no engine that is supported.
    """
    url = checked_url(url)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, pool_size=pool_size)
    db.init_app(app)
    with app.app_context():
        return Database(db.engine)


def checked_url(url: str | URL) -> URL:
    """The URL of a supported engine, with an absolute path when it is a file.

    Raises:
        ConfigError: it does not parse, or names an engine, a driver or a place not supported.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(["database.url is not a URL"]) from error
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise ConfigError(["database.url is neither sqlite:/// nor postgresql+psycopg://"])
    if parsed.database in {None, "", ":memory:"} or str(parsed.database).startswith("file:"):
        # Each connection would have an empty database of its own.
        raise ConfigError(["database.url names no file: sqlite:///path/of/file.db"])
    return parsed.set(database=str(Path(str(parsed.database)).resolve()))


def engine_options(
    url: URL, *, pool_size: int = POOL_SIZE, patience: timedelta = PATIENCE
) -> EngineOptions:
    """The engine's options for a URL of ``checked_url``.

    Args:
        url: of SQLite or PostgreSQL.
        pool_size: connections that this process keeps, and has at most.
        patience: how long to wait for a lock, or for a pooled connection.
    """
    seconds = patience.total_seconds()
    if url.get_backend_name() == "sqlite":
        connect_args: dict[str, str | int | float | bool] = {
            "timeout": seconds,
            "check_same_thread": False,
        }
    else:
        connect_args = _postgresql_arguments(url, seconds)
    return EngineOptions(
        connect_args=connect_args,
        # Parameters are digests, sealed values and claims: nothing for messages or logs.
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        max_overflow=0,
        pool_size=pool_size,
        pool_timeout=seconds,
        poolclass=QueuePool,
    )


def _postgresql_arguments(url: URL, seconds: float) -> dict[str, str | int | float | bool]:
    settings = {
        "statement_timeout": _STATEMENT_TIMEOUT_MS,
        "lock_timeout": int(seconds * 1000),
        "idle_in_transaction_session_timeout": _IDLE_TRANSACTION_TIMEOUT_MS,
    }
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return {
        "application_name": "vouchgate",
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        # The operator's own options come last, so they win.
        "options": f"{ours} {url.query.get('options', '')}".strip(),
        # A server that vanished without a word is noticed in seconds, not in hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def _set_pragmas(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # https://www.sqlite.org/pragma.html; FULL syncs the log at every commit, so that what was
    # acknowledged survives a loss of power and not only the end of the process.
    _use_write_ahead_log(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to its write-ahead log, which it keeps.

    SQLite gives up at once, whatever its busy timeout, when another process switches a new file at
    the same moment.
    """
    for left in reversed(range(_WAL_ATTEMPTS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return


def _refuse_lost_connection(
    connection: psycopg.Connection, _: ConnectionPoolEntry, __: PoolProxiedConnection
) -> None:
    """Have the pool replace a connection that the server ended while it rested.

    An idle connection has nothing to say; one that is readable holds the server's farewell or the
    end of the stream. Looking costs no round trip, as ``pool_pre_ping`` would at each request.
    """
    if not connection.closed:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return
    raise DisconnectionError("the server ended this connection")


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except StoreUnavailableError:
        # The first error is the one to tell. A connection that cannot roll back is not reused, and
        # the server rolls back what a lost connection left open.
        connection.invalidate()
