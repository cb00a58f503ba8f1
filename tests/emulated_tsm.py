"""A configfs-tsm folder without the kernel: the same attributes, generation counter and refusals.

It stands where the guest has its ``Filesystem`` port, and keeps its requests as real folders.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class EmulatedTSM:
    """What a kernel with a provider of TSM reports does.

    Attributes:
        provider: as the kernel names it, such as ``sev_guest``.
        make_report: from the 64 bytes of ``inblob`` to ``outblob``.
        auxblob: ``None`` for a provider that shows no such attribute.
        disturbed: how many requests a second writer touches.
        failing: errors to raise, by attribute.
    """

    provider: str
    make_report: Callable[[bytes], bytes]
    auxblob: bytes | None = None
    disturbed: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    writes: list[bytes] = field(default_factory=list)

    def make_folder(self, path: Path) -> None:
        """As ``mkdir`` on configfs: the folder is full at once."""
        self._fail("mkdir")
        path.mkdir()
        (path / "provider").write_text(f"{self.provider}\n", encoding="ascii")
        (path / "generation").write_text("0\n", encoding="ascii")
        (path / "inblob").touch()
        (path / "outblob").touch()
        if self.auxblob is not None:
            (path / "auxblob").write_bytes(self.auxblob)

    def remove_folder(self, path: Path) -> None:
        """As ``rmdir`` on configfs: the attributes go with the folder."""
        shutil.rmtree(path)

    def write(self, path: Path, data: bytes) -> None:
        """Take report data once for each call, and count the generation."""
        self._fail(path.name)
        if path.name != "inblob" or not 1 <= len(data) <= 64:
            raise OSError(errno.EINVAL, "not 1 to 64 bytes of inblob")
        path.write_bytes(data)
        self.writes.append(data)
        self._count(path.parent)

    def read(self, path: Path) -> bytes:
        """An attribute; reading ``outblob`` makes the report."""
        self._fail(path.name)
        if path.name != "outblob":
            return path.read_bytes()
        inblob = (path.parent / "inblob").read_bytes()
        if not inblob:
            raise OSError(errno.EINVAL, "nothing was written to inblob")
        if self.disturbed > 0:
            self.disturbed -= 1
            self._count(path.parent)
        return self.make_report(inblob)

    def _count(self, folder: Path) -> None:
        generation = folder / "generation"
        count = int(generation.read_text(encoding="ascii")) + 1
        generation.write_text(f"{count}\n", encoding="ascii")

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise OSError(self.failing[name], "as the test asked")
