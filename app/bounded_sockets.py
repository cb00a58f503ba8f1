"""Sockets of clients that wait for seconds, not for ever.

gunicorn makes the sockets of its threads blocking and gives them no timeout. Without a bound, as
many silent connections as there are threads would be an outage; a client that drips bytes is left
to limits and proxies.
"""

from __future__ import annotations

import errno
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from gunicorn.config import Config
from gunicorn.workers.base import Worker

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# How long a thread waits for the next bytes of a request, or for room for those of an answer.
PATIENCE_SECONDS = 10


def bound_listeners(worker: Worker) -> None:
    """Have the kernel end what waits too long: accepted sockets inherit it from the listener.

    The request is then refused like one whose sender went away (socket(7), ``SO_RCVTIMEO``).
    """
    patience = struct.pack("ll", PATIENCE_SECONDS, 0)
    for listener in worker.sockets:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, patience)


def tls_context(_: Config, make_default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Gunicorn's context of a connection, with sockets of our patience."""
    context = make_default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedTLSSocket
    return context


class BoundedTLSSocket(ssl.SSLSocket):
    """A socket whose blocking mode is one with a timeout.

    Python's TLS takes the kernel's timeout for a reason to wait again, so it needs one of its own.
    """

    def settimeout(self, value: float | None) -> None:
        """Wait no longer than we are patient."""
        super().settimeout(PATIENCE_SECONDS if value is None else value)

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  (Python's signature)
        """Block for as long as we are patient, or not at all."""
        self.settimeout(None if flag else 0.0)

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002
        """Agree on keys.

        Raises:
            ConnectionResetError: the client fell silent.
        """
        try:
            super().do_handshake(block)
        except TimeoutError as error:
            raise _silent() from error

    def read(self, len: int = 1024, buffer: WriteableBuffer | None = None) -> bytes:  # noqa: A002
        """Read what comes next.

        Raises:
            ConnectionResetError: the client fell silent.
        """
        try:
            return super().read(len, buffer)
        except TimeoutError as error:
            raise _silent() from error


def _silent() -> ConnectionResetError:
    # What gunicorn takes for a client that went away, and says nothing about.
    return ConnectionResetError(errno.ECONNRESET, "the client fell silent")
