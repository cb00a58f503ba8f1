"""HTTP for drivers, against servers that do as they are told, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from guest.errors import KMSAnswerError, KMSUnavailableError, TLSError
from guest.kms.exchange import MAX_ANSWER_BYTES, Answer, Exchange
from guest.kms_settings import KMSAccess

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that reads a request, or the first words of TLS, and does this."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    # What stays unread would reset the connection at its end.
                    asked = connection.recv(65536)
                    while asked[:1] != b"\x16" and not asked.endswith(b"body"):
                        asked += connection.recv(65536)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


def ask(port: int, scheme: str = "http", seconds: float = 10.0) -> Answer:
    """What comes back in time."""
    exchange = Exchange(KMSAccess(Path("/none"), timeout_seconds=seconds))
    return exchange.send("POST", f"{scheme}://127.0.0.1:{port}/a?b=c", {"X": "y"}, b"body")


def drip(head: bytes, octets: bytes) -> Callable[[socket.socket], None]:
    """The head at once, and then a byte at a time that no timeout of a socket would notice."""

    def send(connection: socket.socket) -> None:
        connection.sendall(head)
        for octet in octets:
            connection.sendall(bytes([octet]))
            time.sleep(0.1)

    return send


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", drip(b"", OK * 6)),
        ("http", drip(OK, b"X-Y: z\r\n" * 12)),
        ("http", drip(OK + b"Content-Length: 90\r\n\r\n", b"x" * 90)),
        ("http", drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 15)),
        ("https", drip(b"\x16\x03\x03\x00\xff", b"\0" * 90)),
    ],
)
def test_who_drips_is_cut(scheme: str, answer: Callable[[socket.socket], None]) -> None:
    """In the head, in the body, in the handshake of TLS."""
    before = time.monotonic()
    with answering(answer) as port:
        with pytest.raises(KMSUnavailableError):
            ask(port, scheme, 0.5)
        assert time.monotonic() - before < 5


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        OK + b"Content-Length: 40\r\n\r\nx",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nx",
    ],
)
def test_an_answer_that_breaks_off_is_an_outage(answer: bytes) -> None:
    """It is not taken for a short one."""
    with (
        answering(lambda it: it.sendall(answer)) as port,
        pytest.raises((KMSUnavailableError, KMSAnswerError)),
    ):
        ask(port)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        OK + b"X: y\r\n" * 200 + b"\r\n",
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        OK + b"Content-Length: 1048577\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n200000\r\n" + b"x" * (MAX_ANSWER_BYTES + 1),
        OK + b"\r\n" + b"x" * 40,
        OK,
    ],
)
def test_refuses_what_no_service_answers(answer: bytes) -> None:
    """No HTTP, heads without end, redirects, too much, or no word of how much."""
    with answering(lambda it: it.sendall(answer)) as port, pytest.raises(KMSAnswerError):
        ask(port)


def test_a_server_without_tls_is_not_believed() -> None:
    """Whatever it says."""
    with answering(lambda it: it.sendall(OK * 20)) as port, pytest.raises(TLSError):
        ask(port, "https")


def test_sends_what_it_was_given(serve: Any, answer: Any, monkeypatch: Any) -> None:
    """To the server itself, whatever proxies the environment knows."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = serve(answer(201, {"X-Z": "w"}, b"said"))
    said = ask(server.port)
    assert (said.status, said.headers["X-Z"], said.body) == (201, "w", b"said")
    (call,) = server.calls
    assert (call.method, call.path, call.body) == ("POST", "/a?b=c", b"body")
    assert call.headers["X"] == "y"


def test_another_server_is_told_who_is_meant(serve: Any, answer: Any) -> None:
    """A proxy of the guest's own knows where to go."""
    server = serve(answer())
    access = KMSAccess(Path("/none"), timeout_seconds=5)
    exchange = Exchange(access, {"https://kms.example": f"{server.url}/to"})
    exchange.send("GET", "https://kms.example/key?x=1", {}, None)
    (call,) = server.calls
    assert (call.path, call.headers["Host"]) == ("/to/key?x=1", "kms.example")


@pytest.mark.parametrize("roots", ["", "none"])
def test_needs_roots_that_are_some(roots: str) -> None:
    """An empty list would believe nobody, and text anybody may have meant."""
    with pytest.raises((OSError, ValueError)):
        Exchange(KMSAccess(Path("/none"), root_certificates=roots))
