"""Character devices by ioctl, with one that every machine has: the terminal."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from guest.devices.nodes import KernelNodes, address_of, opened, read_write_request
from guest.errors import DeviceError, NoTEEError

TERMINALS = Path("/dev/ptmx")
# Linux, asm-generic/ioctls.h: the number of the terminal that was opened, four bytes.
TIOCGPTN = 0x80045430


def test_a_device_that_is_not_there_is_no_tee(tmp_path: Path) -> None:
    """And one that cannot be opened is a failure."""
    with pytest.raises(NoTEEError), opened(KernelNodes(), tmp_path / "none"):
        pass
    with pytest.raises(DeviceError, match="cannot be opened"), opened(KernelNodes(), tmp_path):
        pass


def test_a_request_that_the_device_does_not_know_is_refused() -> None:
    """By the kernel's own words."""
    with (
        pytest.raises(DeviceError, match="Inappropriate"),
        opened(KernelNodes(), TERMINALS) as node,
    ):
        node.ioctl(read_write_request("T", 1, 1088), bytearray(1088))


def test_other_errors_pass_through() -> None:
    """A failure of ours is none of the device's."""
    with pytest.raises(ZeroDivisionError), opened(KernelNodes(), TERMINALS):
        _ = 1 / 0


def test_the_kernel_writes_into_the_argument() -> None:
    """In place."""
    argument = bytearray(b"\xff" * 4)
    with opened(KernelNodes(), TERMINALS) as node:
        node.ioctl(TIOCGPTN, argument)
    assert int.from_bytes(argument, "little") < 2**20


def test_an_address_leads_to_the_buffer() -> None:
    """And what is written there is in it."""
    buffer = bytearray(8)
    ctypes.memmove(address_of(buffer), b"12345678", 8)
    assert buffer == b"12345678"
