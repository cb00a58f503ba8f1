"""A new ext4 file system (mkfs.ext4(8)), also on a disk with integrity that was not wiped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from guest.errors import MalformedMountError
from guest.mounts.programs import Programs

MKFS, DD = FORMATTING_PROGRAMS = ("mkfs.ext4", "dd")
BLOCK_BYTES = 4096

# Options that shape the file system, each with a value. Others name files of the guest to copy from
# (``-d``), other devices, or only ask (``-n``).
_SHAPING = frozenset({"-C", "-E", "-G", "-I", "-L", "-N", "-O", "-T", "-U", "-g", "-i", "-m"})
_VALUE = re.compile(r"[A-Za-z0-9^_.,=:+][A-Za-z0-9^_.,=:+-]{0,199}")
_LAZY = "lazy_itable_init"
_BACKUPS = re.compile(r"Superblock backups stored on blocks:\s*([0-9,\s]+)")


@dataclass(frozen=True, slots=True)
class Ext4:
    """Makes file systems."""

    programs: Programs = field(repr=False)

    def make(self, device: str, options: list[str], *, integrity: bool) -> None:
        """Make a file system; what the device held is gone.

        Args:
            device: an open one.
            options: as ``parse_options`` returns them.
            integrity: whether reading a sector that was never written fails.

        Raises:
            ProgramMissingError, ProgramFailedError: mkfs.ext4 or dd.
        """
        arguments = ["-F", "-b", str(BLOCK_BYTES), *options]
        if integrity:
            # mkfs reads its superblocks before it writes them, and the kernel reads inode tables
            # that were left for later; both have to be written first.
            arguments = _without_lazy_tables(arguments)
            for block in self._superblocks(device, arguments):
                self._write_zeros(device, block)
        self.programs.run(MKFS, *arguments, device)

    def _superblocks(self, device: str, arguments: list[str]) -> list[int]:
        told = self.programs.run(MKFS, "-n", *arguments, device)
        match = _BACKUPS.search(told)
        # A file system of one group of blocks has no backups.
        backups = re.findall("[0-9]+", match[1]) if match else []
        return [0, *map(int, backups)]

    def _write_zeros(self, device: str, block: int) -> None:
        size, place = (f"bs={BLOCK_BYTES}", "count=1"), (f"seek={block}", "conv=notrunc")
        self.programs.run(DD, "if=/dev/zero", f"of={device}", "oflag=direct", *size, *place)


def parse_options(text: str) -> list[str]:
    """Options of mkfs.ext4 from one text, split at white space.

    Raises:
        MalformedMountError: one does not shape a file system, or has no plain value.
    """
    words = text.split()
    pairs = list(zip(words[::2], words[1::2], strict=False))
    is_known = all(flag in _SHAPING and _VALUE.fullmatch(value) for flag, value in pairs)
    if len(words) % 2 or not is_known:
        raise MalformedMountError(f"mkfsOpts are {' '.join(sorted(_SHAPING))}, each with a value")
    return words


def _without_lazy_tables(arguments: list[str]) -> list[str]:
    if any(_LAZY in each for each in arguments):
        return arguments
    if "-E" not in arguments:
        return [*arguments, "-E", f"{_LAZY}=0"]
    at = arguments.index("-E") + 1
    return [*arguments[:at], f"{arguments[at]},{_LAZY}=0", *arguments[at + 1 :]]
