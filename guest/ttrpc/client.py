"""A ttrpc client: one connection, many calls at once, a new one after the server's restart."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from guest.errors import PeerError, UnreachableError
from guest.rpc.protobuf import Fields, MalformedMessageError
from guest.ttrpc.frames import REQUEST, RESPONSE, Frame, OversizedFrameError, Request, Response

# What stock programs wait for each other (guest.md, section 1.2).
CALL_TIMEOUT = timedelta(seconds=50)

_MAX_STREAM = 2**32 - 1

_log = logging.getLogger(__name__)


class TTRPCClient:
    """Calls the services behind one socket; safe to share between threads."""

    def __init__(self, path: Path, timeout: timedelta = CALL_TIMEOUT) -> None:
        """Take the path of the socket; it is connected to when the first call is made."""
        self._path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._channel: _Channel | None = None

    def call(self, service: str, method: str, message: bytes) -> Fields:
        """The response to one call, as fields.

        A call that the server may have seen is not made twice.

        Raises:
            PeerError: the server answered with a status that is not OK, or with no message.
            UnreachableError: nobody listens, or there was no answer in time.
        """
        nanoseconds = int(self._timeout.total_seconds() * 1e9)
        request = Request(service, method, message, nanoseconds)
        response = self._open().call(request, self._timeout)
        if response.code:
            raise PeerError(f"{service} refused {method} with status {response.code}")
        try:
            return Fields(response.payload)
        except MalformedMessageError as error:
            raise PeerError(f"{service} answered {method} with no message: {error}") from error

    def close(self) -> None:
        """Drop the connection."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()

    def _open(self) -> _Channel:
        with self._lock:
            if self._channel is None or self._channel.is_broken:
                self._channel = _Channel(self._connected())
            return self._channel

    def _connected(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.settimeout(self._timeout.total_seconds())
            peer.connect(str(self._path))
        except OSError as error:
            peer.close()
            raise UnreachableError(f"nobody answers at {self._path}") from error
        peer.settimeout(None)
        return peer


@dataclass(slots=True)
class _Call:
    """A call that waits for its answer; ``None`` after ``done`` is that there will be none."""

    done: threading.Event = field(default_factory=threading.Event)
    response: Response | None = None


class _Channel:
    """One connection: a thread that reads, and calls that wait for what it reads."""

    def __init__(self, peer: socket.socket) -> None:
        self.is_broken = False
        self._peer = peer
        self._lock = threading.Lock()
        self._waiting: dict[int, _Call] = {}
        self._next = 1
        threading.Thread(target=self._read, name="ttrpc-answers", daemon=True).start()

    def call(self, request: Request, timeout: timedelta) -> Response:
        call = _Call()
        with self._lock:
            stream = self._next
            self._next = stream + 2 if stream + 2 <= _MAX_STREAM else 1
            self._waiting[stream] = call
            frame = Frame(stream, REQUEST, request.encoded())
            try:
                self._peer.sendall(frame.encoded())
            except OSError:
                self._break()
        try:
            in_time = call.done.wait(timeout.total_seconds())
        finally:
            with self._lock:
                self._waiting.pop(stream, None)
        if call.response is None:
            why = "broke off the connection" if in_time else "did not answer in time"
            raise UnreachableError(f"{request.service} {why}")
        return call.response

    def close(self) -> None:
        with self._lock:
            self._break()

    def _read(self) -> None:
        try:
            with self._peer.makefile("rb") as file:
                while True:
                    self._take(Frame.read(lambda count: _exactly(file.read(count), count)))
        except (OSError, EOFError, OversizedFrameError, MalformedMessageError) as error:
            _log.debug("a ttrpc connection ended", exc_info=error)
        with self._lock:
            self._break()
        self._peer.close()

    def _take(self, frame: Frame) -> None:
        if frame.kind != RESPONSE:
            return
        response = Response.parse(frame.payload)
        with self._lock:
            # Nobody waits any more for an answer that came too late.
            call = self._waiting.pop(frame.stream, None)
        if call is not None:
            call.response = response
            call.done.set()

    def _break(self) -> None:
        """End every call that waits. The lock is held."""
        self.is_broken = True
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        for call in self._waiting.values():
            call.done.set()
        self._waiting.clear()


def _exactly(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise EOFError
    return data
