"""Two applications in one worker: what guests reach, and what operators reach.

With ``server.console_bind`` the console has addresses of its own. Each address has its own URL map,
so what is not for it is not hidden there but absent. Which one a request came in at is what the
server says about its own socket; nothing that a client sends takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask


class Faces:
    """A WSGI application that is one of two, by the listening socket."""

    def __init__(self, guests: Flask, console: Flask, console_sockets: int) -> None:
        """Take both, and how many of the sockets are the console's: those that were named last.

        Until ``listen`` is called, every socket is the guests'.
        """
        self.guests = guests
        self.console = console
        self._console_sockets = console_sockets
        self._console_addresses: frozenset[tuple[str, str]] = frozenset()

    def listen(self, names: Sequence[tuple[Any, ...]]) -> None:
        """Take the names of all sockets (``getsockname``), in the order of the settings."""
        last = names[-self._console_sockets :]
        self._console_addresses = frozenset((str(each[0]), str(each[1])) for each in last)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application of the socket."""
        address = (environ["SERVER_NAME"], environ["SERVER_PORT"])
        app = self.console if address in self._console_addresses else self.guests
        return app(environ, start_response)
