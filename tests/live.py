"""Applications that listen on loopback in a thread of the test, and can be stopped and started."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from processes import free_port
from werkzeug.serving import BaseWSGIServer, make_server

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Live:
    """A WSGI application on a port of its own, started on entering the block."""

    def __init__(self, app: WSGI | None = None) -> None:
        """Take the application, or leave it to be set before the start."""
        self.app = app
        self.port = free_port()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer from now on."""
        assert self.app is not None
        self._server = make_server("127.0.0.1", self.port, _whole(self.app), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on; nothing happens when it does so already."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _whole(app: WSGI) -> WSGI:
    """The application with its answers read to their end before any of it is sent.

    A browser that leaves in the middle has this server forget to close what it was sending.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        parts = app(environ, start_response)
        try:
            return list(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    return answer
