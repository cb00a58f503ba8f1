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


@dataclass(frozen=True, slots=True)
class PostgreSQLServer:
    """A running server; every local user may do everything.

    Attributes:
        port: on 127.0.0.1.
        folder: holds the data and the Unix socket.
        pid: of the server's first process.
    """

    port: int
    folder: Path
    pid: int

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


@cache
def postgresql_server() -> PostgreSQLServer:
    """The one server of this test process, started when it is first asked for.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="vouchgate-postgresql-"))
    account = _USER if os.geteuid() == 0 else None
    if account is not None:
        # PostgreSQL refuses to run as root.
        entry = pwd.getpwnam(account)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", _USER, *_INITDB_OPTIONS],
        check=True,
        capture_output=True,
        user=account,
        cwd=folder,
    )
    port = _free_port()
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        folder,
    ]
    for setting in _SETTINGS:
        command += ["-c", setting]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, user=account, cwd=folder)
    atexit.register(_end, process, folder)
    server = PostgreSQLServer(port, folder, process.pid)
    _wait_for(server, process)
    return server


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


def _wait_for(server: PostgreSQLServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"PostgreSQL did not start: {(server.folder / 'log').read_text()}"
                raise RuntimeError(message) from error
            time.sleep(0.05)
        else:
            return


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    # SIGINT is PostgreSQL's fast shutdown: it ends its sessions and then itself.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)
