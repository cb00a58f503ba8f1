"""A ttrpc server: many calls at once on each connection, everything bounded, known callers only.

A connection may be idle for as long as it likes, because stock programs keep theirs; a frame that
has begun must arrive in time. Callers are the users that settings allow, as the kernel names them.
"""

from __future__ import annotations

import logging
import select
import socket
import struct
import threading
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta

from guest.clock import Clock
from guest.listening import peer_uid
from guest.rpc.protobuf import MalformedMessageError
from guest.rpc.services import Code, Services, StatusError, find_method
from guest.ttrpc.frames import (
    MAX_PAYLOAD_BYTES,
    REQUEST,
    RESPONSE,
    Frame,
    OversizedFrameError,
    Request,
    Response,
)

MAX_CONNECTIONS = 64
MAX_CALLS = 64
ARRIVAL = timedelta(seconds=10)
# How long calls may go on when the server or the connection ends.
GRACE = timedelta(seconds=5)

_CHUNK_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


class TTRPCServer:
    """Serves on one socket until it is shut down."""

    def __init__(
        self, listener: socket.socket, services: Services, uids: Collection[int], clock: Clock
    ) -> None:
        """Take a socket that listens.

        Args:
            listener: a Unix socket; its file stays whose it is.
            services: what is served; called by several threads at once.
            uids: users that may call.
            clock: that bounds how long a frame may take to arrive.
        """
        self.services = services
        self.uids = frozenset(uids)
        self.clock = clock
        self.calls = threading.BoundedSemaphore(MAX_CALLS)
        self._listener = listener
        self._lock = threading.Lock()
        self._open: set[_Connection] = set()
        self._is_ending = threading.Event()

    @property
    def place(self) -> str:
        """Where it listens, for people."""
        return f"ttrpc:{self._listener.getsockname()!s}"

    def serve_forever(self) -> None:
        """Take connections until ``shutdown``."""
        while not self._is_ending.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError as error:
                if not self._is_ending.is_set():
                    # Out of descriptors, most likely; those that are open go on.
                    _log.warning("a connection was not taken: %s", error.strerror)
                    self.clock.wait(timedelta(milliseconds=100))
                continue
            self._begin(_Connection(peer, self))

    def shutdown(self) -> None:
        """Take no more, let calls that run finish within ``GRACE``, and close."""
        self._is_ending.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            connection.stop_reading()
        for connection in still_open:
            connection.thread.join(GRACE.total_seconds())
        self._listener.close()

    def discard(self, connection: _Connection) -> None:
        """Forget a connection that is closed."""
        with self._lock:
            self._open.discard(connection)

    def _begin(self, connection: _Connection) -> None:
        with self._lock:
            has_place = len(self._open) < MAX_CONNECTIONS and not self._is_ending.is_set()
            if has_place:
                self._open.add(connection)
        if has_place:
            connection.thread.start()
        else:
            connection.close()


class _Connection:
    """One caller: a thread that reads, and one for each call that runs."""

    def __init__(self, peer: socket.socket, server: TTRPCServer) -> None:
        self.thread = threading.Thread(target=self._serve, name="ttrpc", daemon=True)
        self._peer = peer
        # Of the kernel and not of the object, because reading has another bound than sending.
        bound = struct.pack("ll", int(ARRIVAL.total_seconds()), 0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
        self._server = server
        self._sending = threading.Lock()
        self._running: set[int] = set()
        self._changed = threading.Condition()

    def stop_reading(self) -> None:
        """End after the calls that run."""
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """End now."""
        self._peer.close()

    def _serve(self) -> None:
        try:
            while self._take(Frame.read(_Reader(self._peer, self._server.clock).read)):
                pass
        except OversizedFrameError as error:
            # What follows is not looked at, so where the next frame begins is not known.
            self._refuse(error.stream, Code.RESOURCE_EXHAUSTED, str(error))
        except (OSError, EOFError):
            _log.debug("a ttrpc connection ended")
        finally:
            with self._changed:
                self._changed.wait_for(lambda: not self._running, GRACE.total_seconds())
            self.close()
            self._server.discard(self)

    def _take(self, frame: Frame) -> bool:
        """Begin what a frame asks for; whether more may follow."""
        if peer_uid(self._peer) not in self._server.uids:
            self._refuse(frame.stream, Code.PERMISSION_DENIED, "this user may not call")
            return False
        if frame.kind != REQUEST:
            self._refuse(frame.stream, Code.UNIMPLEMENTED, "only calls of one message are served")
            return True
        with self._changed:
            is_new = frame.stream % 2 == 1 and frame.stream not in self._running
            if is_new:
                self._running.add(frame.stream)
        if not is_new:
            self._refuse(frame.stream, Code.INVALID_ARGUMENT, "a new stream has an odd number")
            return True
        if self._server.calls.acquire(timeout=GRACE.total_seconds()):
            threading.Thread(
                target=self._run, args=(frame,), name="ttrpc-call", daemon=True
            ).start()
        else:
            self._refuse(frame.stream, Code.RESOURCE_EXHAUSTED, "too many calls at once")
            self._finish(frame.stream)
        return True

    def _run(self, frame: Frame) -> None:
        try:
            self._send(frame.stream, self._answer(frame.payload))
        finally:
            self._server.calls.release()
            self._finish(frame.stream)

    def _finish(self, stream: int) -> None:
        with self._changed:
            self._running.discard(stream)
            self._changed.notify_all()

    def _answer(self, message: bytes) -> Response:
        began = self._server.clock.elapsed()
        try:
            request = Request.parse(message)
            method = find_method(self._server.services, request.service, request.method)
            payload = method.call(request.payload)
        except MalformedMessageError as error:
            return Response(code=Code.INVALID_ARGUMENT, message=f"malformed request: {error}")
        except StatusError as error:
            return Response(code=error.code, message=error.message)
        except Exception:  # noqa: BLE001  (the boundary of a call)
            # A fault of this program costs one call; the log has it, the caller has not.
            _log.exception("a call failed")
            return Response(code=Code.INTERNAL, message="internal error")
        timeout = timedelta(microseconds=request.timeout_nanoseconds / 1000)
        if timeout and self._server.clock.elapsed() - began > timeout:
            return Response(code=Code.DEADLINE_EXCEEDED, message="the caller's time is over")
        return Response(payload)

    def _refuse(self, stream: int, code: Code, message: str) -> None:
        self._send(stream, Response(code=code, message=message))

    def _send(self, stream: int, response: Response) -> None:
        """Send an answer; whoever does not take it in time goes without, and is cut off."""
        try:
            frame = response_frame(stream, response)
            with self._sending:
                self._peer.sendall(frame)
        except OSError:
            _log.debug("a caller did not take its answer")
            self.stop_reading()


def response_frame(stream: int, response: Response) -> bytes:
    """An answer as it is sent; one that is too large becomes a status."""
    payload = response.encoded()
    if len(payload) > MAX_PAYLOAD_BYTES:
        too_large = Response(code=Code.RESOURCE_EXHAUSTED, message="the answer is too large")
        payload = too_large.encoded()
    return Frame(stream, RESPONSE, payload).encoded()


class _Reader:
    """Reads one frame, for whose first byte there is no bound in time."""

    def __init__(self, peer: socket.socket, clock: Clock) -> None:
        self._peer = peer
        self._clock = clock
        self._deadline: timedelta | None = None

    def read(self, count: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            EOFError: the caller hung up.
            OSError: it took too long, or the connection broke.
        """
        parts: list[bytes] = []
        while count:
            self._wait()
            chunk = self._peer.recv(min(count, _CHUNK_BYTES))
            if not chunk:
                raise EOFError
            if self._deadline is None:
                self._deadline = self._clock.elapsed() + ARRIVAL
            parts.append(chunk)
            count -= len(chunk)
        return b"".join(parts)

    def _wait(self) -> None:
        """Until something is there to read."""
        left = None if self._deadline is None else self._deadline - self._clock.elapsed()
        milliseconds = None if left is None else max(left / timedelta(milliseconds=1), 0)
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        if not poll.poll(milliseconds):
            raise TimeoutError
