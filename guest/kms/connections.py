"""Connections to services that end in time, whatever the other side does.

Timeouts of sockets count from one byte to the next, so that one who drips could hold a caller for
as long as it likes. Here the whole connection is cut when its time is over.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from guest.errors import KMSUnavailableError, TLSError


@contextmanager
def connected(address: tuple[str, int], seconds: float) -> Iterator[socket.socket]:
    """A TCP connection that is open for so long at most.

    Raises:
        OSError: it cannot be made, or was cut.
    """
    with (
        socket.create_connection(address, timeout=seconds) as connection,
        # Another handle of the same connection: TLS takes the first one over.
        connection.dup() as handle,
    ):
        is_cut = threading.Event()
        timer = threading.Timer(seconds, _cut, [handle, is_cut])
        timer.daemon = True
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            # What was read until then ends like something whole.
            if is_cut.is_set():
                raise TimeoutError


def connection_error(error: OSError, host: str | None) -> TLSError | KMSUnavailableError:
    """What a failed connection means to whoever asked."""
    is_end = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError))
    if isinstance(error, ssl.SSLError) and not is_end:
        return TLSError(f"{host} is not the server that is believed, or refuses this guest")
    return KMSUnavailableError(f"{host} did not answer in time")


def _cut(handle: socket.socket, is_cut: threading.Event) -> None:
    is_cut.set()
    # It may have ended just now.
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)
