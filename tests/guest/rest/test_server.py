"""The loopback server: bounds, peers, and one attestation for many callers."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from guest.clock import SystemClock
from guest.errors import ListenError
from guest.rest import server as module
from guest.rest.messages import Request, Response
from guest.rest.server import MAX_REQUEST_BYTES, LoopbackServer
from guest.serving_settings import APISettings
from guest.settings import parse_settings
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key
from guest.wiring import Outside, build_parts

LATER = 4102444800
GET = b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"


def echo(request: Request) -> Response:
    """The path that was asked for."""
    return Response(HTTPStatus.OK, request.path.encode())


@pytest.fixture
def start() -> Iterator[Callable[..., LoopbackServer]]:
    """Starts servers and stops them after the test."""
    running: list[tuple[LoopbackServer, threading.Thread]] = []

    def begin(answer: Any = echo, **members: Any) -> LoopbackServer:
        server = LoopbackServer(APISettings(port=0, **members), answer, SystemClock())
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(server: LoopbackServer) -> socket.socket:
    """A connection to a server."""
    connection = socket.socket(server.address_family)
    connection.settimeout(20)
    connection.connect(server.server_address)
    return connection


def exchange(server: LoopbackServer, sent: bytes) -> bytes:
    """What is answered to some bytes, until the server closes."""
    with connect(server) as connection:
        connection.sendall(sent)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "192.0.2.1"])
def test_never_listens_off_loopback(host: str) -> None:
    """Also when it was not built from settings, which refuse it first."""
    with pytest.raises(ListenError, match="loopback"):
        LoopbackServer(APISettings(host=host, port=0), echo, SystemClock())


def test_says_when_an_address_is_taken(start: Any) -> None:
    """As a typed error."""
    port = start().server_address[1]
    with pytest.raises(ListenError, match="in use"):
        LoopbackServer(APISettings(port=port), echo, SystemClock())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", b"400"),
        (b"get / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /a b HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /a\0 HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n", b"431"),
    ],
)
def test_refuses_what_is_no_request(start: Any, sent: bytes, status: bytes) -> None:
    """With one answer, and then the connection ends."""
    with connect(start()) as connection:
        try:
            connection.sendall(sent)
            assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)
        except ConnectionError:
            # Of a request that is too large, unread bytes are thrown away with the answer.
            assert status == b"431"


def test_a_request_may_be_as_long_as_the_bound(start: Any) -> None:
    """And not by one byte more."""
    server = start()
    frame = len(b"GET / HTTP/1.1\r\n\r\n")
    for extra, status in ((0, b"200"), (1, b"431")):
        path = b"x" * (MAX_REQUEST_BYTES - frame + extra)
        sent = b"GET /" + path + b" HTTP/1.1\r\n\r\n"
        assert exchange(server, sent).startswith(b"HTTP/1.1 " + status)


def test_slow_callers_are_let_go(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place is given back though the caller keeps its connection."""
    monkeypatch.setattr(module, "ARRIVAL", module.ARRIVAL / 50)
    server = start()
    assert exchange(server, b"GET / HT").startswith(b"HTTP/1.1 408")
    assert exchange(server, GET).startswith(b"HTTP/1.1 200")


def test_callers_that_hang_up_hurt_nobody(start: Any) -> None:
    """Half a request is none."""
    server = start()
    for sent in (b"", b"GET /in", GET):
        with connect(server) as connection:
            connection.sendall(sent)
    assert exchange(server, GET).startswith(b"HTTP/1.1 200")


def test_too_many_at_once_are_told(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After waiting for a place as long as a request may take."""
    monkeypatch.setattr(module, "ARRIVAL", module.ARRIVAL / 25)
    monkeypatch.setattr(module, "MAX_REQUESTS", 2)
    release, entered = threading.Event(), threading.Semaphore(0)

    def hold(request: Request) -> Response:
        entered.release()
        release.wait(20)
        return echo(request)

    server = start(hold)
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(exchange, server, GET) for _ in range(2)]
        for _ in held:
            assert entered.acquire(timeout=20)
        assert exchange(server, GET).startswith(b"HTTP/1.1 503")
        release.set()
        assert all(each.result().startswith(b"HTTP/1.1 200") for each in held)
    assert exchange(server, GET).startswith(b"HTTP/1.1 200")


def test_a_fault_of_the_api_ends_one_connection_only(start: Any) -> None:
    """The next caller is served."""
    faults = [True]

    def fail_once(request: Request) -> Response:
        if faults.pop() if faults else False:
            raise ValueError
        return echo(request)

    server = start(fail_once)
    assert exchange(server, GET) == b""
    assert exchange(server, GET).endswith(b"/info")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_answers_a_client_of_the_library(start: Any, host: str) -> None:
    """Nobody on the way may keep the answer."""
    try:
        server = start(host=host)
    except ListenError:
        pytest.skip("this machine has no such loopback address")
    assert server.place.startswith("http://")
    client = http.client.HTTPConnection(host, server.server_address[1], timeout=20)
    client.request("GET", "/cdh/resource/a/b/c")
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (200, b"/cdh/resource/a/b/c")
    assert answer.headers["Cache-Control"] == "no-store"
    client.close()


def test_the_kernel_says_who_asks(start: Any, tmp_path: Path) -> None:
    """Over a Unix socket, by the user's number."""
    mine = start(socket=tmp_path / "mine")
    theirs = start(socket=tmp_path / "theirs", allowed_uids=frozenset({os.geteuid() + 1}))
    both = start(socket=tmp_path / "both", allowed_uids=frozenset({os.geteuid(), os.geteuid() + 1}))
    nobodys = start(socket=tmp_path / "nobodys", allowed_uids=frozenset())
    assert exchange(theirs, GET).startswith(b"HTTP/1.1 403")
    assert exchange(nobodys, GET).startswith(b"HTTP/1.1 403")
    assert exchange(mine, GET).endswith(b"/info")
    assert exchange(both, GET).endswith(b"/info")
    assert mine.place == f"unix:{tmp_path / 'mine'}"


def test_replaces_only_the_socket_of_a_server_that_is_gone(start: Any, tmp_path: Path) -> None:
    """Neither one that is listened on nor another file."""
    path, file = tmp_path / "api", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = start(socket=path)
    assert exchange(server, GET).endswith(b"/info")
    file.write_text("precious")
    for taken in (path, file, file / "api", tmp_path / ("x" * 200)):
        with pytest.raises(ListenError):
            LoopbackServer(APISettings(socket=taken), echo, SystemClock())
    assert file.read_text() == "precious"
    assert exchange(server, GET).endswith(b"/info")


def test_takes_its_socket_along(tmp_path: Path) -> None:
    """When it stops."""
    path = tmp_path / "api"
    LoopbackServer(APISettings(socket=path), echo, SystemClock()).server_close()
    assert not path.exists()


def test_1000_callers_at_once_cost_one_attestation(
    start: Any, serve: Any, answer: Any, jwt: Any
) -> None:
    """All get the secret; the KBS sees one handshake and 1000 requests for resources."""
    token, keys, kind = jwt(exp=LATER), [], {"Content-Type": "application/json"}

    def kbs(call: Any) -> Any:
        if call.path == "/kbs/v0/auth":
            headers = {**kind, "Set-Cookie": "kbs-session-id=s; Path=/kbs/v0"}
            return answer(200, headers, b'{"nonce":"bm9uY2U=","extra-params":""}')
        if call.path == "/kbs/v0/attest":
            keys.append(json.loads(call.body)["runtime-data"]["tee-pubkey"])
            return answer(200, kind, json.dumps({"token": token}).encode())
        sealed = seal(b"the secret", parse_tee_public_key(keys[-1]))
        return answer(200, kind, json.dumps(sealed).encode())

    upstream = serve(kbs)
    document = {"insecure_sample": True, "token_configs": {"kbs": {"url": upstream.url}}}
    settings = parse_settings(document)
    server = start(build_parts(settings, Outside()).api(settings).answer)
    ask = b"GET /cdh/resource/app/key/%d HTTP/1.1\r\n\r\n"
    with ThreadPoolExecutor(1000) as pool:
        answers = list(pool.map(lambda each: exchange(server, ask % each), range(1000)))
    assert all(each.endswith(b"\r\n\r\nthe secret") for each in answers)
    asked = [call.path for call in upstream.calls]
    assert (asked.count("/kbs/v0/auth"), asked.count("/kbs/v0/attest")) == (1, 1)
    assert len(asked) == 1002
    assert upstream.connections <= 2
