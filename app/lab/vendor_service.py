"""A vendor's certificate service on loopback, with every bad habit that a real one may have.

It serves documents under the addresses that a catalogue asks for (those of AMD's KDS, Intel's PCS).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from app.attestation.collateral.catalogue import VendorCatalogue

Document = tuple[bytes, Mapping[str, str]]
MakeCatalogue = Callable[[str], VendorCatalogue]


@dataclass
class Habits:
    """How the service answers.

    Attributes:
        status: of every answer; 200 serves documents.
        retry_after: the header, where there is one.
        delay: seconds before an answer.
        lie: makes something else of a body.
    """

    status: int = 200
    retry_after: str | None = None
    delay: float = 0.0
    lie: Callable[[bytes], bytes] = bytes


@dataclass
class VendorService:
    """The service; it listens while ``serving`` lasts.

    Attributes:
        documents: bodies and headers by collateral name; they may be replaced at any time.
        asked: the collateral names that were asked for, or the paths of what is unknown.
    """

    documents: dict[str, Document]
    habits: Habits = field(default_factory=Habits)
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self, catalogue: MakeCatalogue) -> Iterator[VendorCatalogue]:
        """Serve on any port; a catalogue that asks this service."""
        with self.listening(catalogue) as address:
            yield catalogue(address)

    @contextmanager
    def listening(self, *catalogues: MakeCatalogue, port: int = 0) -> Iterator[str]:
        """Serve on loopback; the base address."""
        server = _Server(("127.0.0.1", port), _Handler)
        address = f"http://127.0.0.1:{server.server_port}"
        server.service = self
        server.catalogues = tuple(make(address) for make in catalogues)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield address
        finally:
            server.shutdown()
            server.server_close()

    def answer(
        self, target: str, catalogues: Sequence[VendorCatalogue]
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers for a path with its query."""
        names = {
            _target(catalogue, name): name
            for catalogue in catalogues
            for name in self.documents
            if name.startswith(catalogue.prefix)
        }
        name = names.get(target)
        self.asked.append(name or target)
        time.sleep(self.habits.delay)
        headers = (
            {} if self.habits.retry_after is None else {"Retry-After": self.habits.retry_after}
        )
        if self.habits.status != 200:
            return self.habits.status, b"", headers
        if name is None:
            return 404, b"", headers
        body, own = self.documents[name]
        return 200, self.habits.lie(body), headers | dict(own)


def _target(catalogue: VendorCatalogue, name: str) -> str:
    document = catalogue.find(name)
    if document is None:
        return ""
    parts = urlsplit(document.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class _Server(ThreadingHTTPServer):
    """A server that knows what it serves."""

    daemon_threads = True
    service: VendorService
    catalogues: tuple[VendorCatalogue, ...]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server), "made by `listening` only"
        status, body, headers = server.service.answer(self.path, server.catalogues)
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # The client gave up, which is what slow answers are for.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""
