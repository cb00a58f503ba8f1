"""Programs that mounting needs: how they are run, and what they never see.

Keys and passwords reach them by standard input or by an anonymous memory file (memfd_create(2)),
never by arguments, which other processes can read, and never by a file on a disk.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from guest.errors import ProgramFailedError, ProgramMissingError

# Formatting a large disk takes minutes; what takes longer than this hangs.
PATIENCE_SECONDS = 900.0

FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_CHARACTERS = 500
# The longest output that is read is a header of LUKS2.
_MAX_OUTPUT_BYTES = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


def missing_programs(names: Sequence[str], folders: str = FOLDERS) -> list[str]:
    """Which of some programs are not installed; names in their order, folders as ``PATH``."""
    return [name for name in names if shutil.which(name, path=folders) is None]


class Programs(Protocol):
    """Runs programs."""

    def run(self, name: str, *arguments: str, given: bytes = b"", files: Sequence[int] = ()) -> str:
        """Run a program to its end; what it wrote on standard output.

        Args:
            name: of the program.
            arguments: which hold no secret.
            given: to standard input.
            files: descriptors that it inherits, under the same numbers.

        Raises:
            ProgramMissingError: it is not installed.
            ProgramFailedError: it ended with another status than 0, or not in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class MachinePrograms:
    """The programs of this machine.

    Attributes:
        folders: where they are looked for, as ``PATH`` is written; the first wins.
    """

    folders: str = FOLDERS

    def run(self, name: str, *arguments: str, given: bytes = b"", files: Sequence[int] = ()) -> str:
        """As ``Programs``; what it wrote on standard error goes to the log."""
        path = shutil.which(name, path=self.folders)
        if path is None:
            raise ProgramMissingError(f"the program {name} is not installed")
        # Files and not pipes: what goes on in the background, as FUSE does, keeps its outputs open.
        with _output() as said, _output() as complained:
            status = self._status([path, *arguments], given, files, (said, complained))
            if status == 0:
                return _read(said).decode("utf-8", "replace")
            text = _read(complained)[:_SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
        _log.warning("%s ended with %d: %s", name, status, text)
        raise ProgramFailedError(f"{name} ended with status {status}", status=status)

    def _status(
        self, command: list[str], given: bytes, files: Sequence[int], outputs: tuple[int, int]
    ) -> int:
        try:
            return subprocess.run(  # noqa: S603  (a list of arguments, checked where it is made)
                command,
                input=given,
                stdout=outputs[0],
                stderr=outputs[1],
                pass_fds=files,
                env={"PATH": self.folders, "LC_ALL": "C"},
                cwd="/",
                timeout=PATIENCE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise ProgramFailedError(f"{command[0]} did not end in time", status=None) from error
        except OSError as error:
            raise ProgramFailedError(f"{command[0]} could not be started", status=None) from error


@contextmanager
def memory_file(content: bytes) -> Iterator[int]:
    """A file of no file system that only its owner may read, as a descriptor, while the block runs.

    Args:
        content: at most what memory holds; it is gone with the last descriptor.
    """
    # Not close-on-exec: it is for the program that runs next, which is told its number.
    descriptor = os.memfd_create("secret", 0)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


@contextmanager
def _output() -> Iterator[int]:
    descriptor = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, _MAX_OUTPUT_BYTES, 0)
