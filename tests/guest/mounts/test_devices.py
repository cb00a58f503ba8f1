"""Which disk is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guest.errors import BlockDeviceError, MalformedMountError
from guest.mounts.devices import KernelBlockDevices


@pytest.mark.parametrize("numbers", ["", "8", "8:", ":0", "8:0:0", "a:b", "-8:0", "8:0/../9:0"])
def test_refuses_what_are_no_numbers(numbers: str) -> None:
    """They become part of a path."""
    with pytest.raises(MalformedMountError):
        KernelBlockDevices().by_numbers(numbers)


@pytest.mark.parametrize(
    "told", ["", "MAJOR=8\n", "DEVNAME=../etc/shadow\n", "DEVNAME=/etc/shadow\n", "DEVNAME=a\n" * 2]
)
def test_refuses_a_device_without_a_name(tmp_path: Path, told: str) -> None:
    """The kernel names one, relative to /dev."""
    (tmp_path / "8:0").mkdir()
    (tmp_path / "8:0" / "uevent").write_text(told)
    with pytest.raises(BlockDeviceError, match="names no node"):
        KernelBlockDevices(tmp_path).by_numbers("8:0")


def test_there_is_no_such_device(tmp_path: Path) -> None:
    """By numbers, and by name."""
    with pytest.raises(BlockDeviceError, match="no block device"):
        KernelBlockDevices().by_numbers("4095:1048575")
    (tmp_path / "8:0").mkdir()
    (tmp_path / "8:0" / "uevent").write_text("DEVNAME=sda\n")
    with pytest.raises(BlockDeviceError, match="nowhere"):
        KernelBlockDevices(tmp_path, tmp_path).by_numbers("8:0")


@pytest.mark.parametrize("name", ["file", "folder", "fifo", "link", "none", "\0"])
def test_refuses_what_is_no_disk(tmp_path: Path, name: str) -> None:
    """A file of the guest must not be formatted."""
    (tmp_path / "file").write_bytes(bytes(4096))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    for path in (f"{tmp_path}/{name}", "/dev/null"):
        with pytest.raises(BlockDeviceError):
            KernelBlockDevices().by_path(path)
