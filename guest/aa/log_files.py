"""The runtime event log on disk, and the intention that is written before a register is touched.

Register and log cannot be changed together, and hardware takes nothing back. So the intention comes
first: what the register holds now, what it will hold, and the entry. Whoever finds an intention
later compares the register with both values and knows what is missing (``guest.aa.measurement``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from guest.errors import EventLogError

# Trustee's guests name theirs so, too; neither reads the other's, and both refuse to go on.
INTENTION_NAME = ".wal_event_entry"
LOCK_NAME = ".lock"
MAX_INTENTION_BYTES = 256 * 1024

_MAGIC = b"VGINTENT"
_HEAD = struct.Struct(">8sQIHI")
_CHECKSUM_BYTES = 32
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Intention:
    """An extension that was begun.

    Attributes:
        pcr: the register.
        offset: where in the log the entry goes.
        before: value of the register before.
        after: value of the register afterwards, as long.
        digest: what it is extended with, as long.
        entry: of the log.
    """

    pcr: int
    offset: int
    before: bytes
    after: bytes
    digest: bytes
    entry: bytes

    def encode(self) -> bytes:
        """With a checksum, so that what was written in part is noticed."""
        head = _HEAD.pack(_MAGIC, self.offset, self.pcr, len(self.before), len(self.entry))
        body = head + self.before + self.after + self.digest + self.entry
        return body + hashlib.sha256(body).digest()

    @classmethod
    def decode(cls, data: bytes) -> Intention:
        """Read one.

        Raises:
            EventLogError: it is none of ours, or damaged.
        """
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != checksum:
            raise EventLogError(
                "an unfinished entry of another program, or a damaged one, is beside the event log"
            )
        _, offset, pcr, size, entry_size = _HEAD.unpack_from(body)
        rest = body[_HEAD.size :]
        if len(rest) != 3 * size + entry_size:
            raise EventLogError("the unfinished entry beside the event log is damaged")
        before, after, digest = (rest[each * size : (each + 1) * size] for each in range(3))
        return cls(pcr, offset, before, after, digest, rest[3 * size :])


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The log and what is beside it.

    Attributes:
        path: of the log.
    """

    path: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else extends or reads in between.

        Raises:
            EventLogError: the folder cannot be used.
        """
        with _explained(self.path.parent):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.parent / LOCK_NAME, os.O_RDWR | os.O_CREAT, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def size(self) -> int:
        """Bytes of the log; 0 when there is none.

        Raises:
            EventLogError: it cannot be read.
        """
        with _explained(self.path):
            return self.path.stat().st_size if self.path.exists() else 0

    def intention(self) -> Intention | None:
        """The extension that was begun and not finished.

        Raises:
            EventLogError: there is one that cannot be read.
        """
        path = self.path.parent / INTENTION_NAME
        with _explained(path):
            try:
                with path.open("rb") as file:
                    return Intention.decode(file.read(MAX_INTENTION_BYTES))
            except FileNotFoundError:
                return None

    def intend(self, intention: Intention) -> None:
        """Write an intention, whole or not at all.

        Raises:
            EventLogError: it cannot be written.
        """
        path = self.path.parent / INTENTION_NAME
        unfinished = path.with_name(f"{INTENTION_NAME}.new")
        with _explained(path):
            _write(unfinished, intention.encode(), os.O_TRUNC)
            unfinished.replace(path)
            self._sync_folder()

    def append(self, intention: Intention) -> None:
        """Put the entry where it belongs; what a crash left of it is written over.

        Raises:
            EventLogError: the log is shorter than that place, or holds something else there.
        """
        with _explained(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
            try:
                self._check_place(descriptor, intention)
                os.pwrite(descriptor, intention.entry, intention.offset)
                os.ftruncate(descriptor, intention.offset + len(intention.entry))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def forget(self) -> None:
        """The extension is finished, or did not take place.

        Raises:
            EventLogError: it cannot be removed.
        """
        path = self.path.parent / INTENTION_NAME
        with _explained(path), suppress(FileNotFoundError):
            path.unlink()
            self._sync_folder()

    def _check_place(self, descriptor: int, intention: Intention) -> None:
        size = os.fstat(descriptor).st_size
        if size < intention.offset:
            raise EventLogError("the event log has lost entries that were in it")
        tail = os.pread(descriptor, len(intention.entry) + 1, intention.offset)
        if not intention.entry.startswith(tail):
            raise EventLogError("the event log has entries that nobody announced")

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(path: Path, data: bytes, flags: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, _MODE)
    try:
        # Files of the operating system take some hundred kilobytes at once, or fail.
        if os.write(descriptor, data) != len(data):
            raise EventLogError(f"{path} took only a part; is the disk full?")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EventLogError(f"{path} cannot be used: {error.strerror}") from error
