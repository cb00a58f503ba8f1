"""A way to a TPM 2.0: commands as bytes go in, responses as bytes come out.

Either the kernel's device with a resource manager (``/dev/tpmrm0``) or a Unix socket that carries
the same bytes, as software TPMs offer.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from guest.errors import DeviceError, NoTEEError

HEADER_BYTES = 10
# TPM 2.0 Library, part 2: TPM_PT_MAX_RESPONSE_SIZE of every TPM in use is 4096.
MAX_RESPONSE_BYTES = 4096
# TPMs make an RSA key within seconds; whoever is silent for longer has gone.
SOCKET_SECONDS = 60.0

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


class Channel(Protocol):
    """Carries one command at a time."""

    def transact(self, command: bytes) -> bytes:
        """The response to a command, whole.

        Raises:
            DeviceError: the TPM is gone, or answered with less or more than it announced.
        """
        ...


class DeviceChannel:
    """The kernel's device: one write is a command, one read its response."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def transact(self, command: bytes) -> bytes:
        """The response to a command, whole.

        Raises:
            DeviceError: the TPM is gone, or answered with less or more than it announced.
        """
        try:
            if os.write(self._descriptor, command) != len(command):
                raise DeviceError("the TPM took only a part of a command")
            response = os.read(self._descriptor, MAX_RESPONSE_BYTES)
        except OSError as error:
            raise _failure(error) from error
        return _checked(response)


class SocketChannel:
    """A stream: responses are as long as their header says."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def transact(self, command: bytes) -> bytes:
        """The response to a command, whole.

        Raises:
            DeviceError: the TPM is gone, or answered with less or more than it announced.
        """
        try:
            self._connection.sendall(command)
            header = self._receive(HEADER_BYTES)
            size = int.from_bytes(header[2:6], "big")
            if not HEADER_BYTES <= size <= MAX_RESPONSE_BYTES:
                raise DeviceError(f"the TPM announces a response of {size} bytes")
            return header + self._receive(size - HEADER_BYTES)
        except OSError as error:
            raise _failure(error) from error

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._connection.recv(size - len(data))
            if not chunk:
                raise DeviceError("the TPM broke off in the middle of a response")
            data += chunk
        return data


@contextmanager
def open_channel(path: Path) -> Iterator[Channel]:
    """The way to the TPM at a path.

    Raises:
        NoTEEError: there is nothing.
        DeviceError: it cannot be opened; another program may hold it.
    """
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
        opened = _connect(path) if is_socket else os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        kind = NoTEEError if error.errno in _GONE else DeviceError
        raise kind(f"the TPM at {path} cannot be opened: {error.strerror}") from error
    if isinstance(opened, socket.socket):
        with opened:
            yield SocketChannel(opened)
        return
    try:
        yield DeviceChannel(opened)
    finally:
        os.close(opened)


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(SOCKET_SECONDS)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _checked(response: bytes) -> bytes:
    if len(response) < HEADER_BYTES or int.from_bytes(response[2:6], "big") != len(response):
        raise DeviceError("the TPM's response is not as long as it says")
    return response


def _failure(error: OSError) -> DeviceError:
    return DeviceError(f"the TPM does not answer: {error.strerror or type(error).__name__}")
