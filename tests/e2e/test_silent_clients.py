"""Connections that fall silent in the middle of a request hold a server up for seconds at most."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import urllib3
from processes import free_port, start, vouchgate

REQUEST = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
# Two workers of four threads.
THREADS = 8


def test_silence_is_no_outage(tmp_path: Path) -> None:
    """As many silent clients as there are threads are given up, and Ctrl-C ends the server."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", str(port))
    server = start(command, url, tmp_path / "log")
    try:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(THREADS)]
        for connection in silent:
            connection.sendall(REQUEST)
        time.sleep(1)
        http = urllib3.PoolManager(retries=False, timeout=40)
        assert http.request("GET", f"{url}/healthz").status == 200
        assert silent[0].recv(64).startswith(b"HTTP/1.1 400")
        for connection in silent:
            connection.close()
        http.clear()
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 20
    finally:
        server.kill()
