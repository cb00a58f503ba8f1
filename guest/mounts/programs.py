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

_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_CHARACTERS = 500

_log = logging.getLogger(__name__)


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

    folders: str = _FOLDERS

    def run(self, name: str, *arguments: str, given: bytes = b"", files: Sequence[int] = ()) -> str:
        """As ``Programs``; what it wrote on standard error goes to the log."""
        path = shutil.which(name, path=self.folders)
        if path is None:
            raise ProgramMissingError(f"the program {name} is not installed")
        try:
            ended = subprocess.run(  # noqa: S603  (a list of arguments, checked where it is made)
                [path, *arguments],
                input=given,
                capture_output=True,
                pass_fds=files,
                env={"PATH": self.folders, "LC_ALL": "C"},
                cwd="/",
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ProgramFailedError(f"{name} did not end in time", status=None) from error
        except OSError as error:
            raise ProgramFailedError(f"{name} could not be started", status=None) from error
        if ended.returncode != 0:
            said = ended.stderr[:_SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
            _log.warning("%s ended with %d: %s", name, ended.returncode, said)
            raise ProgramFailedError(
                f"{name} ended with status {ended.returncode}", status=ended.returncode
            )
        return ended.stdout.decode("utf-8", "replace")


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
