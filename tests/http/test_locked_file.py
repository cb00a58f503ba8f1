"""A SQLite file that someone else locks: told in time, and cured by itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from raw_guest import PATH, SECRET, RawGuest
from sqlalchemy import event

from app.store.database import PATIENCE, db

URL = f"/kbs/v0/resource/{PATH}"
# What a request waits for the lock here; a server is more patient.
WAITING_MS = 300

HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Someone else holds the file's lock while this block runs."""
    command = [sys.executable, "-c", HOLD_LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate()


def refused_for_now(response: Any) -> None:
    """503, with the reason and when to try again."""
    assert response.status_code == 503, response.data
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Vouchgate-Reason"] == "store-unavailable"


@pytest.fixture
def impatient(app: Flask) -> None:
    """Let SQLite give up sooner, so that the test need not wait as long as a server would."""

    def give_up_sooner(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA busy_timeout = {WAITING_MS}").close()

    with app.app_context():
        event.listen(db.engine, "checkout", give_up_sooner)


def test_a_locked_file_is_told_within_the_patience_and_recovers(
    affirming: None, impatient: None, app: Flask, tmp_path: Path, owner: dict[str, str]
) -> None:
    """Whatever has to be written gets 503; reading and challenges go on; then all is well."""
    guest, other = RawGuest(app.test_client()), RawGuest(app.test_client())
    guest.attest()
    nonce = other.nonce()
    client = app.test_client()
    writes: list[Callable[[], Any]] = [
        guest.resource,
        lambda: other.attest(nonce),
        lambda: client.post(URL, data=b"lost", headers=owner),
        lambda: app.test_client().post("/api/v1/keys/rotate", headers=owner),
    ]
    with (
        locked_by_another_process(tmp_path / "vouchgate.db"),
        ThreadPoolExecutor(len(writes)) as pool,
    ):
        started = time.monotonic()
        answers = [pool.submit(write) for write in writes]
        assert client.get("/api/v1/secrets", headers=owner).status_code == 200
        assert RawGuest(client).challenge().status_code == 200
        for answer in answers:
            refused_for_now(answer.result())
        assert time.monotonic() - started < PATIENCE.total_seconds()
    assert guest.open(guest.resource().json) == SECRET
    assert other.attest(nonce).status_code == 200
    assert client.post(URL, data=b"found", headers=owner).status_code == 200
