"""HTTP to one server, over real sockets on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from guest.clock import Clock, SystemClock
from guest.errors import ProtocolError, TLSError, UnreachableError
from guest.kbs.transport import MAX_REPLY_BYTES, Transport
from guest.settings import ServiceSettings


def connect(url: str, clock: Clock, roots: str | None = None, timeout: float = 5) -> Transport:
    """The way to a server."""
    return Transport(ServiceSettings(url, roots), clock, timeout=timeout, wait=30)


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_says_when_nobody_listens(clock: Any) -> None:
    """No answer is an error of its own, not of the server."""
    with pytest.raises(UnreachableError):
        connect(f"http://127.0.0.1:{free_port()}", clock).get("/x", {})


def test_gives_up_on_a_silent_server(clock: Any) -> None:
    """Every exchange has an end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError):
            connect(url, clock, timeout=0.2).post("/x", {}, {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_refuses_redirects(serve: Any, answer: Any, clock: Any, status: int) -> None:
    """Whoever answers must not send the guest elsewhere."""
    other = serve(answer())
    server = serve(answer(status, {"Location": f"{other.url}/stolen"}))
    with pytest.raises(ProtocolError):
        connect(server.url, clock).get("/x", {"Authorization": "Bearer t"})
    assert other.calls == []


def test_refuses_an_answer_without_end(serve: Any, answer: Any, clock: Any) -> None:
    """A connection with an answer half read is not used again."""
    server = serve(answer(body=bytes(MAX_REPLY_BYTES + 200_000)), answer(body=b"ok"))
    client = connect(server.url, clock)
    with pytest.raises(ProtocolError):
        client.get("/x", {})
    assert client.get("/x", {}).body == b"ok"
    assert server.connections == 2


def test_refuses_an_answer_that_drips(serve: Any, answer: Any) -> None:
    """Bytes that keep coming do not keep the guest."""

    class Hasty(SystemClock):
        def elapsed(self) -> Any:
            return super().elapsed() * 1000

    server = serve(answer(body=b"x" * 8_000_000))
    with pytest.raises(UnreachableError):
        connect(server.url, Hasty(), timeout=1).get("/x", {})


@pytest.mark.parametrize("kind", ["Content-Length: 100000", "Transfer-Encoding: chunked", "X: y"])
def test_an_answer_that_drips_is_cut(kind: str) -> None:
    """A byte at a time, each well within the timeout of the socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(f"HTTP/1.1 200 OK\r\n{kind}\r\n\r\n".encode())
                    for _ in range(80):
                        connection.sendall(b"1\r\nx\r\n" if "chunked" in kind else b"x")
                        time.sleep(0.1)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url, before = f"http://127.0.0.1:{listening.getsockname()[1]}", time.monotonic()
        transport = connect(url, SystemClock(), timeout=0.5)
        with pytest.raises(UnreachableError):
            transport.get("/x", {})
        # Half a second, and time for a busy machine.
        assert time.monotonic() - before < 5
        thread.join(10)


def test_a_broken_post_is_not_sent_twice(serve: Any, answer: Any, clock: Any) -> None:
    """What acts may have acted."""
    server = serve(answer(hang_up=True))
    with pytest.raises(UnreachableError):
        connect(server.url, clock).post("/x", {}, {})
    assert len(server.calls) == 1


def test_a_broken_get_is_sent_twice(serve: Any, answer: Any, clock: Any) -> None:
    """A kept connection may end just when it is used again."""
    server = serve(answer(hang_up=True), answer(body=b"ok"))
    assert connect(server.url, clock).get("/x", {}).body == b"ok"
    again = serve(answer(hang_up=True))
    with pytest.raises(UnreachableError):
        connect(again.url, clock).get("/x", {})
    assert len(again.calls) == 2


def test_keeps_one_connection_and_no_cookie(serve: Any, answer: Any, clock: Any) -> None:
    """Cookies are the caller's business; nothing is sent that was not asked for."""
    server = serve(answer(headers={"Set-Cookie": "kbs-session-id=1; Path=/kbs/v0"}))
    client = connect(f"{server.url}/base/", clock)
    reply = client.post("/auth", {"a": 1}, {})
    client.get("/b", {"X-Y": "z"})
    client.close()
    assert reply.cookies == ("kbs-session-id=1; Path=/kbs/v0",)
    assert server.connections == 1
    first, second = server.calls
    assert (first.path, first.body) == ("/base/auth", b'{"a":1}')
    assert first.headers["Content-Type"] == "application/json"
    assert second.headers["X-Y"] == "z"
    assert "Cookie" not in second.headers


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_it_is_told(serve: Any, answer: Any, clock: Any, status: int) -> None:
    """In seconds or as a date, and a second that doubles where nothing is said."""
    later = format_datetime(datetime(2026, 3, 1, 12, 0, 12, tzinfo=UTC), usegmt=True)
    server = serve(
        answer(status, {"Retry-After": "7"}),
        answer(status, {"Retry-After": later}),
        answer(status),
        answer(status, {"Retry-After": "soon"}),
        answer(body=b"ok"),
    )
    assert connect(server.url, clock).get("/x", {}).body == b"ok"
    assert clock.waits[:2] == [7, 5]
    # Without a word of the server it is by chance, of twice as long each time.
    assert 2 <= clock.waits[2] <= 4 <= clock.waits[3] <= 8


def test_does_not_wait_beyond_the_settings(serve: Any, answer: Any, clock: Any) -> None:
    """Half a minute in all; what asks for more is answered to the caller."""
    server = serve(answer(503, {"Retry-After": "20"}))
    assert connect(server.url, clock).post("/x", {}, {}).status == 503
    assert clock.waits == [20]
    assert len(server.calls) == 2


def test_does_not_try_forever(serve: Any, answer: Any, clock: Any) -> None:
    """A server that always says "at once" is asked six times."""
    server = serve(answer(429, {"Retry-After": "0"}))
    assert connect(server.url, clock).get("/x", {}).status == 429
    assert len(server.calls) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_tries_nothing_else_again(serve: Any, answer: Any, clock: Any, status: int) -> None:
    """What a status means is decided above."""
    server = serve(answer(status))
    assert connect(server.url, clock).get("/x", {}).status == status
    assert len(server.calls) == 1


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Authority, Callable[[socket.socket], socket.socket]]:
    """An authority, and how a server takes on its certificate."""
    authority = Authority.make(tmp_path, "root")
    certificate, key = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return authority, lambda plain: context.wrap_socket(plain, server_side=True)


def test_believes_the_pinned_root(serve: Any, answer: Any, clock: Any, tls: Any) -> None:
    """The authority's certificate vouches for the server's."""
    authority, wrap = tls
    server = serve(answer(body=b"ok"), wrap=wrap)
    url = f"https://127.0.0.1:{server.port}"
    assert connect(url, clock, authority.file.read_text()).get("/x", {}).body == b"ok"


def test_believes_no_other_root(
    serve: Any, answer: Any, clock: Any, tls: Any, tmp_path: Path
) -> None:
    """Neither another authority nor the system's."""
    _, wrap = tls
    server = serve(answer(), wrap=wrap)
    other = Authority.make(tmp_path, "other").file.read_text()
    for roots in (other, None):
        with pytest.raises(TLSError):
            connect(f"https://127.0.0.1:{server.port}", clock, roots).get("/x", {})
    assert server.calls == []


def test_believes_no_other_name(serve: Any, answer: Any, clock: Any, tls: Any) -> None:
    """The certificate has to be for the address that is called."""
    authority, wrap = tls
    server = serve(answer(), wrap=wrap, address="127.0.0.2")
    with pytest.raises(TLSError):
        connect(f"https://127.0.0.2:{server.port}", clock, authority.file.read_text()).get("/x", {})


def test_answers_show_no_secrets(serve: Any, answer: Any, clock: Any) -> None:
    """An answer may be logged by accident."""
    server = serve(answer(headers={"Set-Cookie": "kbs-session-id=canary"}, body=b"canary"))
    assert "canary" not in repr(connect(server.url, clock).get("/x", {}))
