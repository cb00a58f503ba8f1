"""The loopback server: one request a connection, everything bounded, nothing off this machine.

Bytes of a request, the time it may take to arrive, and the number of requests at once are bounded
before anything looks at what is asked. Callers are those of this machine; over a Unix socket, only
the users that settings allow, as the kernel names them (``SO_PEERCRED``, unix(7)).
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import re
import socket
import socketserver
import stat
import struct
import threading
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

from guest.clock import Clock
from guest.errors import ListenError
from guest.rest.messages import BAD_REQUEST, BUSY, FORBIDDEN, TOO_LARGE, TOO_SLOW, Request, Response
from guest.settings import APISettings

MAX_REQUEST_BYTES = 16 * 1024
MAX_REQUESTS = 64
ARRIVAL = timedelta(seconds=5)

# Further callers wait in the kernel.
_BACKLOG = 512
_END_OF_HEAD = b"\r\n\r\n"
# RFC 9112, section 3, with the one form of target that servers other than proxies take.
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]\r\n")
_CREDENTIALS = struct.Struct("3i")
_CHUNK_BYTES = 4096

Answer: TypeAlias = Callable[[Request], Response]

_log = logging.getLogger(__name__)


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves an API until it is shut down; a thread for each request, ``MAX_REQUESTS`` at most."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG
    allow_reuse_address = True

    def __init__(self, settings: APISettings, answer: Answer, clock: Clock) -> None:
        """Listen.

        Args:
            settings: where, and who may come.
            answer: the API.
            clock: that bounds how long a request may take to arrive.

        Raises:
            ListenError: the address is not on loopback, in use, or cannot be listened on.
        """
        self.answer, self.clock = answer, clock
        self._path = settings.socket
        uids = settings.allowed_uids
        self._uids = frozenset({os.geteuid()}) if uids is None else uids
        self._free = threading.BoundedSemaphore(MAX_REQUESTS)
        self.address_family = _family(settings)
        try:
            address = _address(settings)
            super().__init__(address, _Handler, bind_and_activate=False)  # type: ignore[arg-type]  # Unix sockets have paths for addresses
            self._listen()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "it is no path for a socket"
            raise ListenError(f"the API's address cannot be listened on: {reason}") from error

    @property
    def place(self) -> str:
        """Where it listens, for people."""
        if self._path is not None:
            return f"unix:{self._path}"
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def server_close(self) -> None:
        """Stop listening; the socket's file goes with it."""
        super().server_close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def is_welcome(self, peer: socket.socket) -> bool:
        """Whether this caller may ask at all."""
        if self._path is None:
            return ipaddress.ip_address(str(peer.getpeername()[0])).is_loopback
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        return uid in self._uids

    def process_request(self, request: Connection, client_address: object) -> None:
        """Take a connection when there is a place for it; wait for one as long as for a request."""
        if self._free.acquire(timeout=ARRIVAL.total_seconds()):
            super().process_request(request, client_address)
            return
        assert isinstance(request, socket.socket)
        request.settimeout(ARRIVAL.total_seconds())
        _say_last(request, BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Connection, client_address: object) -> None:
        """Answer one connection, and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Connection, client_address: object) -> None:  # noqa: ARG002  (socketserver's signature)
        """Callers that hang up are no event; what is a fault here is logged without its data."""
        _log.debug("a request was not answered", exc_info=True)

    def _listen(self) -> None:
        try:
            if self._path is not None:
                _remove_stale(self._path)
            self.server_bind()
            if self._path is not None:
                # Any user may knock; who is let in, the kernel's word on the peer decides.
                self._path.chmod(0o666)
            self.server_activate()
        except BaseException:
            self.socket.close()
            raise


Connection: TypeAlias = socket.socket | tuple[bytes, socket.socket]


class _Handler(socketserver.BaseRequestHandler):
    """Reads the head of one request whole, and answers it. Headers decide nothing here."""

    server: LoopbackServer
    request: socket.socket

    def handle(self) -> None:
        # Read first: closing on unread bytes resets the connection, and the answer is lost.
        head = _read_head(self.request, self.server.clock)
        _say_last(self.request, head if isinstance(head, Response) else self._answer(head))

    def _answer(self, head: bytes) -> Response:
        if not self.server.is_welcome(self.request):
            return FORBIDDEN
        request = _request(head)
        return BAD_REQUEST if request is None else self.server.answer(request)


def _request(head: bytes) -> Request | None:
    match = _REQUEST_LINE.match(head)
    if match is None:
        return None
    return Request.parse(match[1].decode("ascii"), match[2].decode("ascii"))


def _read_head(connection: socket.socket, clock: Clock) -> bytes | Response:
    """The bytes of a request up to its empty line, or why there are none."""
    deadline = clock.elapsed() + ARRIVAL
    head = b""
    while _END_OF_HEAD not in head:
        left = (deadline - clock.elapsed()).total_seconds()
        if len(head) > MAX_REQUEST_BYTES:
            return TOO_LARGE
        if left <= 0:
            return TOO_SLOW
        connection.settimeout(left)
        try:
            chunk = connection.recv(_CHUNK_BYTES)
        except TimeoutError:
            return TOO_SLOW
        if not chunk:
            return BAD_REQUEST
        head += chunk
    head = head[: head.index(_END_OF_HEAD) + len(_END_OF_HEAD)]
    return head if len(head) <= MAX_REQUEST_BYTES else TOO_LARGE


def _say_last(connection: socket.socket, response: Response) -> None:
    """Send an answer and no more. Whoever does not take it in time goes without."""
    status = HTTPStatus(response.status)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if response.reason:
        lines.append(f"Vouchgate-Reason: {response.reason}")
    head = "\r\n".join(lines).encode("ascii") + _END_OF_HEAD
    connection.settimeout(ARRIVAL.total_seconds())
    try:
        connection.sendall(head + response.body)
    except OSError:
        _log.debug("a caller did not take its answer")


def _family(settings: APISettings) -> socket.AddressFamily:
    if settings.socket is not None:
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in settings.host else socket.AF_INET


def _address(settings: APISettings) -> tuple[str, int] | str:
    if settings.socket is not None:
        return str(settings.socket)
    # Settings refuse it too; a server that is built in another way must not be the way out.
    if not ipaddress.ip_address(settings.host).is_loopback:
        raise ListenError("the API listens on loopback addresses only")
    return settings.host, settings.port


def _remove_stale(path: Path) -> None:
    """Remove the socket of a server that is gone, and nothing else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "another file has this name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "someone listens there")
