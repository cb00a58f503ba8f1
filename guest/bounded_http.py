"""What every answer over HTTP goes through: pinned roots, a size and a time that end."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import urllib3

_CHUNK_BYTES = 64 * 1024


class TooLargeError(Exception):
    """An answer has more bytes than any that is expected."""


class TooSlowError(Exception):
    """An answer did not end in time."""


def read_body(
    response: urllib3.BaseHTTPResponse,
    elapsed: Callable[[], timedelta],
    *,
    within: timedelta,
    most_bytes: int,
) -> bytes:
    """The body of an answer; its connection is given back, or closed when it was not read whole.

    Args:
        response: not read yet.
        elapsed: a clock that only goes on.
        within: how long reading may take.
        most_bytes: how large the body may be.

    Raises:
        TooLargeError, TooSlowError: as they say.
        urllib3.exceptions.HTTPError: the connection broke off.
    """
    is_cut = threading.Event()
    timer = threading.Timer(within.total_seconds(), _cut, [response, is_cut])
    timer.daemon = True
    timer.start()
    try:
        return _read(response, elapsed, within, most_bytes, is_cut)
    except BaseException as error:
        # What is left unread would be taken for the next answer.
        response.close()
        if is_cut.is_set():
            raise TooSlowError from error
        raise
    finally:
        timer.cancel()
        # Also a closed connection: the pool has one place, and waits for it.
        response.release_conn()


def tls_context(root_certificates: str | None) -> ssl.SSLContext:
    """Verifies servers, of TLS 1.2 at least.

    Args:
        root_certificates: PEM of the only roots that are believed; ``None`` for the system's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if root_certificates is None:
        context.load_default_certs()
        return context
    context.load_verify_locations(cadata=root_certificates)
    return context


def _cut(response: urllib3.BaseHTTPResponse, is_cut: threading.Event) -> None:
    """End a read that waits for byte after byte, which timeouts of sockets do not count."""
    is_cut.set()
    # It may have ended just now.
    with suppress(OSError, ValueError, RuntimeError):
        response.shutdown()


def _read(
    response: urllib3.BaseHTTPResponse,
    elapsed: Callable[[], timedelta],
    within: timedelta,
    most_bytes: int,
    is_cut: threading.Event,
) -> bytes:
    deadline = elapsed() + within
    chunks, size = [], 0
    for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
        size += len(chunk)
        if size > most_bytes:
            raise TooLargeError
        if elapsed() > deadline:
            raise TooSlowError
        chunks.append(chunk)
    # Without a length, what was read until then ends like something whole.
    if is_cut.is_set():
        raise TooSlowError
    return b"".join(chunks)
