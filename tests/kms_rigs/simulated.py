"""A server for simulated clouds: JSON or bytes by a function of the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def host(self) -> str:
        """The host that the client means."""
        return self.headers["Host"]


@dataclass(frozen=True)
class Said:
    """An answer: JSON of a value, or bytes as they are."""

    status: int
    value: Any
    headers: Mapping[str, str] | None = None


@contextmanager
def serving(answer: Callable[[Asked], Said]) -> Iterator[str]:
    """The URL of a server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are written apart; without this each answer waits for the client's ACK.
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            said = answer(Asked(self.command, self.path, self.headers, body))
            raw = said.value if isinstance(said.value, bytes) else json.dumps(said.value).encode()
            self.send_response(said.status)
            kind = {"Content-Type": "application/json"}
            for name, text in {**kind, **(said.headers or {})}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _answer  # noqa: N815  (the names that http.server looks for)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
