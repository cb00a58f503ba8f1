"""A TDX guest's kernel: reports, and measurement registers that are extended by writing to them."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from emulated_tsm import EmulatedTSM


@dataclass
class EmulatedTDX(EmulatedTSM):
    """What a kernel from 6.16 on shows (Documentation/ABI, sysfs-devices-virtual-misc-tdx_guest).

    Attributes:
        registers: RTMR 0 to 3, 48 bytes each.
        broken: an error of the hardware to raise instead of extending.
    """

    registers: list[bytes] = field(default_factory=lambda: [bytes(48)] * 4)
    broken: int = 0

    def read(self, path: Path) -> bytes:
        """An attribute of a report, or a register."""
        number = _register(path)
        if number is None:
            return super().read(path)
        self._fail("register")
        return self.registers[number]

    def write(self, path: Path, data: bytes) -> None:
        """An attribute of a report, or 48 bytes that a register is extended with."""
        number = _register(path)
        if number is None:
            super().write(path, data)
            return
        if self.broken or len(data) != 48:
            raise OSError(self.broken or errno.EINVAL, "as the test asked")
        self.registers[number] = hashlib.sha384(self.registers[number] + data).digest()


def _register(path: Path) -> int | None:
    """The number in ``rtmr3:sha384``."""
    name, _, algorithm = path.name.partition(":")
    return int(name[4:]) if name.startswith("rtmr") and algorithm == "sha384" else None
