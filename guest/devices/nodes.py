"""Character devices that are asked by ioctl (Linux, ioctl(2) and include/uapi/asm-generic/ioctl.h).

Requests carry addresses of further buffers. Those are bytearrays whose address ``address_of``
takes; they have to live until the call is over.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from guest.errors import DeviceError, NoTEEError

_READ_WRITE = 3
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


class Node(Protocol):
    """An open device."""

    def ioctl(self, request: int, argument: bytearray) -> None:
        """One call; the device writes into the argument and into the buffers that it points to.

        Raises:
            OSError: the device refused.
        """
        ...


class Nodes(Protocol):
    """Opens devices."""

    def open(self, path: Path) -> Node:
        """An open device.

        Raises:
            OSError: it cannot be opened.
        """
        ...

    def close(self, node: Node) -> None:
        """Give the device back."""
        ...


class KernelNode:
    """A device of the kernel."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def ioctl(self, request: int, argument: bytearray) -> None:
        """One call; the kernel changes the argument in place."""
        fcntl.ioctl(self.descriptor, request, argument, True)  # noqa: FBT003  (its signature)


class KernelNodes:
    """The real devices."""

    def open(self, path: Path) -> Node:
        """An open device."""
        return KernelNode(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def close(self, node: Node) -> None:
        """Give the device back."""
        assert isinstance(node, KernelNode)
        os.close(node.descriptor)


@contextmanager
def opened(nodes: Nodes, path: Path) -> Iterator[Node]:
    """A device for the time of a request; what it refuses is a ``DeviceError``.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: it cannot be opened, or refused a call.
    """
    try:
        node = nodes.open(path)
    except OSError as error:
        kind = NoTEEError if error.errno in _GONE else DeviceError
        raise kind(f"{path} cannot be opened: {os.strerror(error.errno or 0)}") from error
    try:
        yield node
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise DeviceError(f"{path} refused the request: {reason}") from error
    finally:
        nodes.close(node)


def read_write_request(kind: str, number: int, size: int) -> int:
    """The number of a request that reads and writes its argument (``_IOWR``).

    Args:
        kind: letter of the driver.
        number: of the request within the driver.
        size: of the argument, bytes.
    """
    return _READ_WRITE << 30 | size << 16 | ord(kind) << 8 | number


def address_of(buffer: bytearray) -> int:
    """Where a buffer is in memory, for as long as it is neither resized nor dropped."""
    import ctypes  # only the few devices that take addresses need it

    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
