"""The way to a TPM that breaks, drips or lies about lengths."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from guest.devices.tpm_channel import Channel, DeviceChannel, SocketChannel
from guest.errors import DeviceError

GOOD = b"\x80\x01\0\0\0\x0c\0\0\0\0ab"

Kind = Callable[[socket.socket], Channel]
KINDS: dict[str, Kind] = {
    "device": lambda end: DeviceChannel(end.fileno()),
    "socket": SocketChannel,
}


@contextmanager
def answering(pieces: list[bytes]) -> Iterator[socket.socket]:
    """The guest's end of a connection; the other sends pieces and hangs up."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        theirs.recv(4096)
        for piece in pieces:
            theirs.sendall(piece)
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with ours:
        yield ours
    thread.join()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [GOOD[:5]],
        [GOOD[:-1]],
        [b"\x80\x01\0\0\0\x09\0\0\0\0"],
        [b"\x80\x01\xff\xff\xff\xff\0\0\0\0" + bytes(64)],
        [b"\0" * 10],
    ],
    ids=["silence", "short header", "short body", "too short", "too long", "zeros"],
)
def test_refuses_what_is_no_response(kind: str, pieces: list[bytes]) -> None:
    """Whatever arrives is as long as it says, or an error."""
    with answering(pieces) as end, pytest.raises(DeviceError):
        KINDS[kind](end).transact(b"command")


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_vanished_is_an_error(kind: str) -> None:
    """Also when a command is written to it."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(DeviceError):
        KINDS[kind](ours).transact(b"command")


@pytest.mark.parametrize("kind", KINDS)
def test_carries_a_response(kind: str) -> None:
    """As it is."""
    with answering([GOOD]) as end:
        assert KINDS[kind](end).transact(b"command") == GOOD


def test_a_stream_may_drip() -> None:
    """A socket delivers in pieces."""
    with answering([GOOD[:3], GOOD[3:11], GOOD[11:]]) as end:
        assert SocketChannel(end).transact(b"command") == GOOD
