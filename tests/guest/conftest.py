"""Fakes of what the guest meets: a clock, servers on loopback, and scripted transports."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from software_tpm import AK_HANDLE, AZURE_AK_HANDLE, SoftwareTPM, software_tpm

from guest.kbs.transport import Reply
from guest.wire.encoding import b64url_encode

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class TurnedClock:
    """A clock that is turned by hand; waiting turns it."""

    at: datetime = NOON
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """The hour that was set."""
        return self.at

    def elapsed(self) -> timedelta:
        """Time since noon."""
        return self.at - NOON

    def wait(self, duration: timedelta) -> None:
        """Write down that someone waited, and let the time pass."""
        self.waits.append(duration.total_seconds())
        self.at += duration


@dataclass
class Call:
    """A request as a server or a transport saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedTransport:
    """Answers in the order of its script and keeps what it was asked."""

    script: list[Reply]
    calls: list[Call] = field(default_factory=list)

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        """The next answer."""
        return self._next(Call("GET", path, dict(headers), None))

    def post(self, path: str, body: Any, headers: dict[str, str]) -> Reply:
        """The next answer."""
        return self._next(Call("POST", path, dict(headers), body))

    def _next(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.script.pop(0)


@dataclass
class Answer:
    """What a server on loopback is to answer once."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hang_up: bool = False


class LoopbackServer:
    """A real server that answers in the order of its script; the last answer repeats.

    An answer may be a function of the call.
    """

    def __init__(self, script: list[Any], address: str) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are written apart; without this each answer waits for the client's ACK.
            disable_nagle_algorithm = True

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(length)
                call = Call(self.command, self.path, dict(self.headers), body)
                outer.calls.append(call)
                answer = outer.script.pop(0) if len(outer.script) > 1 else outer.script[0]
                if callable(answer):
                    answer = answer(call)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = _answer  # noqa: N815  (the names that http.server looks for)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer((address, 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.http.server_address[1])

    @property
    def url(self) -> str:
        """Its address over plain HTTP."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def tpm() -> Iterator[SoftwareTPM]:
    """A software TPM with an attestation key; tests of a module share its registers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        software_tpm(Path(folder), AK_HANDLE, AZURE_AK_HANDLE) as running,
    ):
        yield running


@pytest.fixture
def clock() -> TurnedClock:
    """Noon, until someone waits."""
    return TurnedClock()


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackServer]]:
    """Starts servers and stops them after the test."""
    servers: list[LoopbackServer] = []

    def start(
        *script: Answer,
        wrap: Callable[[Any], Any] | None = None,
        address: str = "127.0.0.1",
    ) -> LoopbackServer:
        server = LoopbackServer(list(script), address)
        if wrap is not None:
            server.http.socket = wrap(server.http.socket)
        server.thread.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.http.shutdown()
        server.thread.join()
        server.http.server_close()


@pytest.fixture
def answer() -> type[Answer]:
    """The type of a server's answers."""
    return Answer


@pytest.fixture
def scripted() -> Callable[..., ScriptedTransport]:
    """A transport with a script of answers."""
    return lambda *replies: ScriptedTransport(list(replies))


@pytest.fixture
def reply() -> Callable[..., Reply]:
    """An answer: JSON of a value, or bytes as they are."""

    def make(status: int = 200, value: Any = None, **headers: str) -> Reply:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        cookie = names.pop("set-cookie", None)
        return Reply(status, names, body, () if cookie is None else (cookie,))

    return make


@pytest.fixture
def jwt() -> Callable[..., str]:
    """An unsigned token with the given claims; guests do not verify what they only carry."""

    def make(**claims: Any) -> str:
        parts = [b'{"alg":"ES256"}', json.dumps(claims).encode(), b"signature"]
        return ".".join(map(b64url_encode, parts))

    return make
