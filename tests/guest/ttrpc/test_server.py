"""The ttrpc server and client over a Unix socket: bounds, callers, concurrency, ends."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guest.clock import SystemClock
from guest.errors import PeerError, UnreachableError
from guest.listening import listen_unix
from guest.rpc.protobuf import MAX_MESSAGE_BYTES, Fields, octets_field
from guest.rpc.services import Code, Method
from guest.ttrpc import server as module
from guest.ttrpc.client import TTRPCClient
from guest.ttrpc.frames import DATA, HEADER, REQUEST, RESPONSE, Frame, Request, Response
from guest.ttrpc.server import TTRPCServer


class Service:
    """Echoes; waits when it is told to; fails as programs do."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)

    def services(self) -> Any:
        """The table."""
        table = {"Echo": self.echo, "Wait": self.wait, "Break": self.broken, "Large": self.large}
        return {"test.Service": {name: Method(each, "failed") for name, each in table.items()}}

    def echo(self, request: Fields) -> bytes:
        """What was asked."""
        return octets_field(1, request.octets(1))

    def wait(self, request: Fields) -> bytes:
        """What was asked, later."""
        self.waiting.release()
        self.go_on.wait(20)
        return octets_field(1, request.octets(1))

    def broken(self, request: Fields) -> bytes:
        """A fault of the program."""
        raise RuntimeError("the secret is in here")

    def large(self, request: Fields) -> bytes:
        """More than fits."""
        return octets_field(1, bytes(MAX_MESSAGE_BYTES))


@pytest.fixture
def service() -> Service:
    """What is served."""
    return Service()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the socket."""
    return tmp_path / "folder" / "socket"


@pytest.fixture
def start(service: Service, path: Path) -> Iterator[Callable[..., TTRPCServer]]:
    """Starts servers and stops them after the test."""
    running: list[tuple[TTRPCServer, threading.Thread]] = []

    def begin(*uids: int) -> TTRPCServer:
        listener = listen_unix(path)
        server = TTRPCServer(listener, service.services(), uids or {os.geteuid()}, SystemClock())
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    service.go_on.set()
    for server, thread in running:
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def client(path: Path) -> Iterator[TTRPCClient]:
    """A client; connected when it calls."""
    made = TTRPCClient(path, timedelta(seconds=20))
    yield made
    made.close()


def connect(path: Path) -> socket.socket:
    """A connection without a client."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def answer(connection: socket.socket) -> tuple[int, Response]:
    """The next answer: its stream and what it says."""
    with connection.makefile("rb") as file:
        frame = Frame.read(file.read)
    assert frame.kind == RESPONSE
    return frame.stream, Response.parse(frame.payload)


def is_over(connection: socket.socket) -> bool:
    """Whether the server has ended the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def request(stream: int, method: str = "Echo", payload: bytes = b"") -> bytes:
    """A call as it is sent."""
    message = Request("test.Service", method, octets_field(1, payload)).encoded()
    return Frame(stream, REQUEST, message).encoded()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (Frame(1, REQUEST, b"\xff").encoded(), Code.INVALID_ARGUMENT),
        (Frame(1, REQUEST, b"").encoded(), Code.NOT_FOUND),
        (Frame(1, REQUEST, Request("a.B", "C", b"").encoded()).encoded(), Code.NOT_FOUND),
        (request(2), Code.INVALID_ARGUMENT),
        (Frame(1, RESPONSE, b"").encoded(), Code.UNIMPLEMENTED),
        (Frame(1, DATA, b"").encoded(), Code.UNIMPLEMENTED),
        (Frame(1, 255, b"").encoded(), Code.UNIMPLEMENTED),
        (request(1, "Large"), Code.RESOURCE_EXHAUSTED),
        (request(1, "Break"), Code.INTERNAL),
    ],
)
def test_refuses_and_goes_on(start: Any, path: Path, sent: bytes, code: Code) -> None:
    """Each with a status, and the next call on the same connection is answered."""
    start()
    with connect(path) as connection:
        connection.sendall(sent)
        stream, refused = answer(connection)
        assert (stream, refused.code, refused.payload) == (sent[7], code, b"")
        assert "secret" not in refused.message
        connection.sendall(request(5, payload=b"x"))
        assert answer(connection) == (5, Response(octets_field(1, b"x")))


def test_a_frame_that_is_too_large_ends_the_connection(start: Any, path: Path) -> None:
    """After the reason; nothing of it is kept."""
    start()
    with connect(path) as connection:
        connection.sendall(HEADER.pack(2**32 - 1, 1, REQUEST, 0))
        assert answer(connection)[1].code == Code.RESOURCE_EXHAUSTED
        assert is_over(connection)


def test_other_users_are_refused(start: Any, path: Path) -> None:
    """As the kernel names them."""
    start(os.geteuid() + 1)
    with connect(path) as connection:
        connection.sendall(request(1))
        assert answer(connection)[1].code == Code.PERMISSION_DENIED
        assert is_over(connection)


def test_a_frame_must_arrive_in_time(
    start: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has begun; before that a connection may be idle."""
    monkeypatch.setattr(module, "ARRIVAL", timedelta(milliseconds=50))
    start()
    with connect(path) as idle, connect(path) as slow:
        slow.sendall(request(1)[:-1])
        assert is_over(slow)
        idle.sendall(request(1, payload=b"x"))
        assert answer(idle)[1].payload == octets_field(1, b"x")


def test_a_caller_that_takes_no_answers_is_cut_off(
    start: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other callers are served meanwhile and afterwards."""
    monkeypatch.setattr(module, "ARRIVAL", timedelta(seconds=1))
    start()
    client = TTRPCClient(path)
    with connect(path) as deaf:
        for stream in range(1, 9, 2):
            deaf.sendall(request(stream, payload=bytes(1024 * 1024)))
        assert client.call("test.Service", "Echo", octets_field(1, b"x")).octets(1) == b"x"
    client.close()


@pytest.mark.parametrize("length", [0, 1, 9, 10, 15])
def test_half_a_frame_hurts_nobody(
    start: Any, path: Path, client: TTRPCClient, length: int
) -> None:
    """Its sender has hung up."""
    start()
    with connect(path) as connection:
        connection.sendall(request(1)[:length])
    assert client.call("test.Service", "Echo", octets_field(1, b"x")).octets(1) == b"x"


def test_calls_on_one_connection_do_not_wait_for_each_other(
    start: Any, service: Service, client: TTRPCClient
) -> None:
    """One that waits is overtaken, and each gets its own answer."""
    start()
    with ThreadPoolExecutor(21) as pool:
        late = pool.submit(client.call, "test.Service", "Wait", octets_field(1, b"late"))
        assert service.waiting.acquire(timeout=20)
        texts = [str(index).encode() for index in range(20)]
        quick = pool.map(
            lambda text: client.call("test.Service", "Echo", octets_field(1, text)).octets(1), texts
        )
        assert list(quick) == texts
        assert not late.done()
        service.go_on.set()
        assert late.result(20).octets(1) == b"late"


def test_a_stream_that_runs_is_not_begun_again(start: Any, service: Service, path: Path) -> None:
    """Its answer would be ambiguous."""
    start()
    with connect(path) as connection:
        connection.sendall(request(1, "Wait"))
        assert service.waiting.acquire(timeout=20)
        connection.sendall(request(1))
        assert answer(connection)[1].code == Code.INVALID_ARGUMENT


def test_too_many_calls_are_refused(
    start: Any, service: Service, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After waiting for a place; those that run go on."""
    monkeypatch.setattr(module, "MAX_CALLS", 1)
    monkeypatch.setattr(module, "GRACE", timedelta(milliseconds=50))
    start()
    with connect(path) as connection:
        connection.sendall(request(1, "Wait", b"x") + request(3))
        assert answer(connection) == (
            3,
            Response(code=Code.RESOURCE_EXHAUSTED, message="too many calls at once"),
        )
        service.go_on.set()
        assert answer(connection) == (1, Response(octets_field(1, b"x")))


def test_too_many_connections_are_refused(
    start: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest goes."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    start()
    with connect(path) as first, connect(path) as second:
        assert is_over(second)
        first.sendall(request(1, payload=b"x"))
        assert answer(first)[1].payload == octets_field(1, b"x")


def test_a_callers_time_is_kept(start: Any, service: Service, path: Path) -> None:
    """An answer after it is none."""
    start()
    with connect(path) as connection:
        message = Request("test.Service", "Wait", b"", timeout_nanoseconds=1000).encoded()
        connection.sendall(Frame(1, REQUEST, message).encoded())
        assert service.waiting.acquire(timeout=20)
        service.go_on.set()
        assert answer(connection)[1].code == Code.DEADLINE_EXCEEDED


def test_calls_that_run_finish_when_the_server_ends(
    start: Any, service: Service, client: TTRPCClient
) -> None:
    """And nobody is taken any more."""
    server = start()
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(client.call, "test.Service", "Wait", octets_field(1, b"x"))
        assert service.waiting.acquire(timeout=20)
        ending = pool.submit(server.shutdown)
        service.go_on.set()
        assert call.result(20).octets(1) == b"x"
        ending.result(20)
    with pytest.raises(UnreachableError):
        client.call("test.Service", "Echo", b"")


def test_the_client_finds_a_server_that_was_restarted(
    start: Any, path: Path, client: TTRPCClient
) -> None:
    """With a new connection."""
    first = start()
    client.call("test.Service", "Echo", b"")
    first.shutdown()
    with pytest.raises(UnreachableError):
        client.call("test.Service", "Echo", b"")
    start()
    assert client.call("test.Service", "Echo", octets_field(1, b"x")).octets(1) == b"x"


def test_the_client_does_not_wait_for_ever(start: Any, service: Service, path: Path) -> None:
    """And may call again."""
    start()
    client = TTRPCClient(path, timedelta(milliseconds=50))
    with pytest.raises(UnreachableError, match="in time"):
        client.call("test.Service", "Wait", b"")
    client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"garbage without end",
        HEADER.pack(2**32 - 1, 1, RESPONSE, 0),
        Frame(1, RESPONSE, b"\xff").encoded(),
        Frame(1, RESPONSE, Response(b"\xff").encoded()).encoded(),
        Frame(1, RESPONSE, Response(code=Code.INTERNAL).encoded()).encoded(),
        Frame(3, RESPONSE, Response(b"").encoded()).encoded(),
        Frame(1, DATA, b"").encoded(),
    ],
)
def test_the_client_believes_no_server(path: Path, client: TTRPCClient, sent: bytes) -> None:
    """What is no answer to this call is a typed error."""
    with listen_unix(path) as listener, ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.call, "test.Service", "Echo", b"")
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(sent)
        with pytest.raises((PeerError, UnreachableError)):
            call.result(20)
