"""The loopback server: one request a connection, everything bounded, nothing off this machine.

Bytes of a request, the time it may take to arrive, and the number of requests at once are bounded
before anything looks at what is asked. Callers are those of this machine; over a Unix socket, only
the users that settings allow, as the kernel names them (``SO_PEERCRED``, unix(7)).
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import TypeAlias

from guest.clock import Clock
from guest.errors import ListenError
from guest.listening import BACKLOG, adopt, listen_unix, peer_uid
from guest.rest.messages import BAD_REQUEST, BUSY, FORBIDDEN, TOO_LARGE, TOO_SLOW, Request, Response
from guest.serving_settings import APISettings

MAX_REQUEST_BYTES = 16 * 1024
MAX_REQUESTS = 64
ARRIVAL = timedelta(seconds=5)

_END_OF_HEAD = b"\r\n\r\n"
# RFC 9112, section 3, with the one form of target that servers other than proxies take.
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]\r\n")
# RFC 9112, section 6: a body is as long as one header says, or there is none. Chunks are not taken.
_CONTENT_LENGTH = re.compile(
    rb"\r\ncontent-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE
)
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CHUNK_BYTES = 4096

Answer: TypeAlias = Callable[[Request], Response]

_log = logging.getLogger(__name__)


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves an API until it is shut down; a thread for each request, ``MAX_REQUESTS`` at most."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = BACKLOG
    allow_reuse_address = True

    def __init__(
        self, settings: APISettings, answer: Answer, clock: Clock, inherited: int | None = None
    ) -> None:
        """Listen.

        Args:
            settings: where, and who may come.
            answer: the API.
            clock: that bounds how long a request may take to arrive.
            inherited: descriptor of a socket that listens already, and wins over the address.

        Raises:
            ListenError: the address is not on loopback, in use, or cannot be listened on.
        """
        self.answer, self.clock = answer, clock
        uids = settings.allowed_uids
        self._uids = frozenset({os.geteuid()}) if uids is None else uids
        self._free = threading.BoundedSemaphore(MAX_REQUESTS)
        listener = _listener(settings) if inherited is None else adopt(inherited)
        self.address_family = listener.family
        # Whoever made the socket's file removes it.
        self._path = settings.socket if inherited is None else None
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()

    @property
    def place(self) -> str:
        """Where it listens, for people."""
        if self.address_family == socket.AF_UNIX:
            return f"unix:{self.server_address!s}"
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def server_close(self) -> None:
        """Stop listening; the socket's file goes with it."""
        super().server_close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def is_welcome(self, peer: socket.socket) -> bool:
        """Whether this caller may ask at all."""
        if self.address_family == socket.AF_UNIX:
            return peer_uid(peer) in self._uids
        return ipaddress.ip_address(str(peer.getpeername()[0])).is_loopback

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


Connection: TypeAlias = socket.socket | tuple[bytes, socket.socket]


class _Handler(socketserver.BaseRequestHandler):
    """Reads the head of one request whole, and answers it. Headers decide nothing here."""

    server: LoopbackServer
    request: socket.socket

    def handle(self) -> None:
        # Read first: closing on unread bytes resets the connection, and the answer is lost.
        arrived = _Arrival(self.request, self.server.clock).read()
        _say_last(
            self.request, arrived if isinstance(arrived, Response) else self._answer(*arrived)
        )

    def _answer(self, head: bytes, body: bytes) -> Response:
        if not self.server.is_welcome(self.request):
            return FORBIDDEN
        request = _request(head, body)
        return BAD_REQUEST if request is None else self.server.answer(request)


def _request(head: bytes, body: bytes) -> Request | None:
    match = _REQUEST_LINE.match(head)
    if match is None:
        return None
    return Request.parse(match[1].decode("ascii"), match[2].decode("ascii"), body)


class _Arrival:
    """A request while it arrives: within ``ARRIVAL``, and within ``MAX_REQUEST_BYTES``."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._deadline = clock.elapsed() + ARRIVAL
        self._bytes = b""

    def read(self) -> tuple[bytes, bytes] | Response:
        """Head with its empty line, and body; or why there are none."""
        while _END_OF_HEAD not in self._bytes:
            refused = self._more()
            if refused is not None:
                return refused
        size = self._bytes.index(_END_OF_HEAD) + len(_END_OF_HEAD)
        length = _content_length(self._bytes[:size])
        if length is None:
            return BAD_REQUEST
        if size + length > MAX_REQUEST_BYTES:
            return TOO_LARGE
        while len(self._bytes) < size + length:
            refused = self._more()
            if refused is not None:
                return refused
        return self._bytes[:size], self._bytes[size : size + length]

    def _more(self) -> Response | None:
        left = (self._deadline - self._clock.elapsed()).total_seconds()
        if len(self._bytes) > MAX_REQUEST_BYTES:
            return TOO_LARGE
        if left <= 0:
            return TOO_SLOW
        self._connection.settimeout(left)
        try:
            chunk = self._connection.recv(_CHUNK_BYTES)
        except TimeoutError:
            return TOO_SLOW
        if not chunk:
            return BAD_REQUEST
        self._bytes += chunk
        return None


def _content_length(head: bytes) -> int | None:
    """The length of the body, or ``None`` when the head does not say it in the one plain way."""
    if _TRANSFER_ENCODING.search(head):
        return None
    lengths = _CONTENT_LENGTH.findall(head)
    if len(lengths) > 1 or any(_LENGTH.fullmatch(each) is None for each in lengths):
        return None
    return int(lengths[0]) if lengths else 0


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


def _listener(settings: APISettings) -> socket.socket:
    if settings.socket is not None:
        return listen_unix(settings.socket)
    # Settings refuse it too; a server that is built in another way must not be the way out.
    address = ipaddress.ip_address(settings.host)
    if not address.is_loopback:
        raise ListenError("the API listens on loopback addresses only")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it is no address"
        raise ListenError(f"the API's address cannot be listened on: {reason}") from error
