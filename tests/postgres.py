"""A real PostgreSQL server of the tests' own: private, on loopback, gone when they end."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg

_USER = "postgres"
_START_SECONDS = 30
# The data live as long as the tests: nothing is gained by making them survive a loss of power.
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "log_min_messages=fatal")
_INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")


@dataclass(slots=True)
class PostgreSQLServer:
    """A server on which every local user may do everything.

    Attributes:
        port: on 127.0.0.1.
        folder: holds the data and the Unix socket.
    """

    port: int
    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the data and the port that it has had all along."""
        command = [str(_programs() / "postgres"), "-D", str(self.folder / "data")]
        command += ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        for setting in _SETTINGS:
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=_account(), cwd=self.folder
            )
        self._await(self._process)

    def stop(self) -> None:
        """End its sessions and then itself; nothing happens to one that is not running."""
        if self._process is None:
            return
        # SIGINT is PostgreSQL's fast shutdown.
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=_START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, over TCP."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, over the Unix socket."""
        return f"postgresql+psycopg://{_USER}@/{database}?host={self.folder}&port={self.port}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of one's own, in autocommit mode."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=_USER, dbname=database, autocommit=True
        )

    def create(self, database: str, *, template: str = "template1") -> str:
        """Make a database as a copy of another one; its URL."""
        # Copying files is five times as fast as the log of PostgreSQL 15's default.
        statement = f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY'
        with self.connect() as connection:
            connection.execute(statement)
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database, ending who is still connected to it."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    message = f"PostgreSQL did not start: {(self.folder / 'log').read_text()}"
                    raise RuntimeError(message) from error
                time.sleep(0.05)
            else:
                return


def new_server() -> PostgreSQLServer:
    """A server that ends with this test process; it is not started yet.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    initdb = _programs() / "initdb"
    folder = Path(tempfile.mkdtemp(prefix="vouchgate-postgresql-"))
    account = _account()
    if account is not None:
        entry = pwd.getpwnam(account)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    subprocess.run(
        [initdb, "-D", folder / "data", "-U", _USER, *_INITDB_OPTIONS],
        check=True,
        capture_output=True,
        user=account,
        cwd=folder,
    )
    server = PostgreSQLServer(_free_port(), folder)
    atexit.register(_end, server)
    return server


@cache
def postgresql_server() -> PostgreSQLServer:
    """The one server of this test process, started when it is first asked for.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    server = new_server()
    server.start()
    return server


def _account() -> str | None:
    """Who runs it: PostgreSQL refuses to run as root."""
    return _USER if os.geteuid() == 0 else None


def _programs() -> Path:
    """The newest installed version's folder of programs, where Debian puts them."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    if not found:
        message = "PostgreSQL is not installed: apt-get install postgresql"
        raise FileNotFoundError(message)
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(server: PostgreSQLServer) -> None:
    server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)
