"""Requests to the outside end in time, in bounds, and where they were sent."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from certificates import Authority

from app.trust.http_client import OutsideError, PooledHTTPClient


class Site(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, bytes]]

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        type(self).seen.append((self.command, self.path, body))
        if self.path == "/hang":
            self.connection.recv(1)
            return
        if self.path in {"/drip", "/short"}:
            self._drip(1000 if self.path == "/drip" else 5)
            return
        status = {"/missing": 404, "/elsewhere": 302, "/down": 503}.get(self.path, 200)
        answer = b"x" * 2000 if self.path == "/large" else body or b"hello"
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Name", "Value")
        if status == 302:
            self.send_header("Location", "/large")
        if status == 503:
            self.send_header("Retry-After", "3600")
        self.end_headers()
        self.wfile.write(answer)

    def _drip(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with suppress(OSError):
            for _ in range(count):
                self.wfile.write(b"x")
                time.sleep(0.01)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A web server on loopback."""
    Site.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def address(server: ThreadingHTTPServer, path: str, scheme: str = "http") -> str:
    """An address of the server."""
    return f"{scheme}://localhost:{server.server_port}{path}"


def client(**how: object) -> PooledHTTPClient:
    """A client that does not wait long and does not read much."""
    return PooledHTTPClient(**{"timeout_seconds": 0.2, "max_reply_bytes": 1000, **how})  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/large", "/hang", "/drip", "/short"])
def test_refuses_what_is_not_whole(server: ThreadingHTTPServer, path: str) -> None:
    """Too many bytes, too much time and too few bytes all end it."""
    with pytest.raises(OutsideError):
        client().get(address(server, path))


def test_refuses_when_nobody_listens() -> None:
    """A dead address is an error of ours, not of the library."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(OutsideError):
        client().get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["", "no address", "ftp://localhost/", "http://[bad/", "http://"])
def test_refuses_what_is_no_address(url: str) -> None:
    """A malformed address is an error of ours as well."""
    with pytest.raises(OutsideError):
        client().get(url)


def test_does_not_follow_redirects(server: ThreadingHTTPServer) -> None:
    """Whoever answers cannot send us elsewhere."""
    assert client().get(address(server, "/elsewhere")).status == 302
    assert [path for _, path, _ in Site.seen] == ["/elsewhere"]


def test_does_not_ask_twice(server: ThreadingHTTPServer) -> None:
    """A status is an answer, even one that asks to come back."""
    assert client().post_json(address(server, "/down"), b"{}").status == 503
    assert len(Site.seen) == 1


def test_a_connection_is_good_after_an_answer_that_was_too_long(
    server: ThreadingHTTPServer,
) -> None:
    """What was left unread is not taken for the next answer."""
    asking = client()
    with pytest.raises(OutsideError):
        asking.get(address(server, "/large"))
    assert asking.get(address(server, "/")).body == b"hello"


def test_gives_the_answer_whatever_its_status(server: ThreadingHTTPServer) -> None:
    """Header names are in lower case."""
    reply = client().get(address(server, "/missing"))
    assert (reply.status, reply.body, reply.headers["x-name"]) == (404, b"hello", "Value")
    assert client().post_json(address(server, "/"), b'{"a":1}').body == b'{"a":1}'


def test_believes_only_the_pinned_authority(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """With a pinned authority, neither the system's nor another one counts."""
    pinned = Authority.make(tmp_path, "pinned")
    other = Authority.make(tmp_path, "other")
    certificate, key = pinned.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = address(server, "/", "https")
    assert client(ca_file=pinned.file).get(url).status == 200
    for distrusting in (client(ca_file=other.file), client()):
        with pytest.raises(OutsideError):
            distrusting.get(url)
