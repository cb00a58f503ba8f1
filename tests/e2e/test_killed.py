"""Killed without warning under load: what was acknowledged is there, and the next start serves."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import urllib3
from processes import Server, free_port, start, vouchgate
from raw_guest import HTTPGuest

from guest.wire.jwe import open_sealed

WRITERS = 4
LOAD_SECONDS = 2.5


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """SIGKILL to every process of the server while secrets are written, three times over."""
    port = free_port()
    url, state = f"http://127.0.0.1:{port}", tmp_path / "var"
    command = vouchgate("demo", "--state", str(state), "--port", str(port))
    acknowledged: dict[str, bytes] = {}
    for round_ in range(3):
        server = start(command, url, tmp_path / "log")
        try:
            token = (state / "admin-token").read_text().strip()
            if acknowledged:
                verify(url, token, acknowledged)
            acknowledged |= write_until_killed(server, token, round_)
        finally:
            server.kill()
    server = start(command, url, tmp_path / "log")
    try:
        verify(url, token, acknowledged)
    finally:
        assert server.stop() == 0
    assert len(acknowledged) > 3 * WRITERS
    with sqlite3.connect(state / "vouchgate.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def write_until_killed(server: Server, token: str, round_: int) -> dict[str, bytes]:
    """Write secrets from several threads, kill the server meanwhile; what it said yes to."""
    acknowledged: dict[str, bytes] = {}
    over = threading.Event()

    def write(writer: int) -> None:
        http = urllib3.PoolManager(retries=False, timeout=5)
        number = 0
        while not over.is_set():
            path = f"round{round_}/writer{writer}/secret{number}"
            value = f"{path} ".encode() * 50
            try:
                reply = http.request(
                    "POST",
                    f"{server.url}/kbs/v0/resource/{path}",
                    body=value,
                    headers={"Authorization": f"Bearer {token}"},
                )
            except urllib3.exceptions.HTTPError:
                return
            if reply.status == 200:
                acknowledged[path] = value
            number += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    time.sleep(LOAD_SECONDS)
    server.kill()
    over.set()
    for thread in threads:
        thread.join()
    return acknowledged


def verify(url: str, token: str, acknowledged: dict[str, bytes]) -> None:
    """Every acknowledged secret is listed; a guest reads some of them whole."""
    http = urllib3.PoolManager(retries=False, timeout=10)
    listed, after = {}, ""
    while True:
        query = f"?limit=500&after={after}" if after else "?limit=500"
        headers = {"Authorization": f"Bearer {token}"}
        page = http.request("GET", f"{url}/api/v1/secrets{query}", headers=headers).json()
        if not page:
            break
        listed |= {each["resource_id"]: each["size_bytes"] for each in page}
        after = page[-1]["resource_id"]
    for path, value in acknowledged.items():
        assert listed[path] == len(value), path
    guest = HTTPGuest(url)
    for path in list(acknowledged)[:: max(1, len(acknowledged) // 20)]:
        assert open_sealed(guest.resource(path), guest.private) == acknowledged[path]
