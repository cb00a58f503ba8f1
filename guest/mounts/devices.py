"""Which disk is meant: by its numbers, or by its path."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from guest.errors import BlockDeviceError, MalformedMountError

# Linux has 12 bits of major and 20 of minor (include/linux/kdev_t.h).
_NUMBERS = re.compile(r"[0-9]{1,4}:[0-9]{1,7}")
_NAME = re.compile(r"DEVNAME=((?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)")


class BlockDevices(Protocol):
    """Finds disks; both methods return an absolute path."""

    def by_numbers(self, numbers: str) -> str:
        """The device with these numbers.

        Raises:
            MalformedMountError: they do not read ``major:minor``.
            BlockDeviceError: there is none.
        """
        ...

    def by_path(self, path: str) -> str:
        """The device at a path.

        Raises:
            BlockDeviceError: there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class KernelBlockDevices:
    """The disks of this machine.

    Attributes:
        numbers: folder of all block devices by their numbers (sysfs).
        nodes: folder of the device nodes.
    """

    numbers: Path = Path("/sys/dev/block")
    nodes: Path = Path("/dev")

    def by_numbers(self, numbers: str) -> str:
        """As ``BlockDevices``."""
        if not _NUMBERS.fullmatch(numbers):
            raise MalformedMountError("deviceId reads major:minor")
        try:
            lines = (self.numbers / numbers / "uevent").read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BlockDeviceError(f"there is no block device {numbers}") from error
        names = [match[1] for line in lines if (match := _NAME.fullmatch(line))]
        if len(names) != 1:
            raise BlockDeviceError(f"the kernel names no node of the block device {numbers}")
        return self.by_path(str(self.nodes / names[0]))

    def by_path(self, path: str) -> str:
        """As ``BlockDevices``: a file that is no device must not be overwritten."""
        try:
            found = Path(path).resolve(strict=True)
            is_device = stat.S_ISBLK(found.stat().st_mode)
        except (OSError, ValueError, RuntimeError) as error:
            raise BlockDeviceError("devicePath leads nowhere") from error
        if not Path(path).is_absolute() or not is_device:
            raise BlockDeviceError("devicePath leads to no block device")
        return str(found)
