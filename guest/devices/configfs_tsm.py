"""Reports through configfs-tsm, the kernel's one interface for several TEEs.

Source: Linux, Documentation/ABI/testing/configfs-tsm-report; guest.md, section 3.2. A request is a
folder that the kernel fills with attributes when it is made. Every write to an attribute raises
``generation``, which is how a second writer is noticed.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from guest.errors import DeviceConflictError, DeviceError, NoTEEError

MAX_INBLOB_BYTES = 64
# One write, that of inblob, is ours.
OWN_GENERATION = 1
ATTEMPTS = 5

# Quotes have some kilobytes and certificate tables some tens of them.
_BLOB_LIMIT = 1024 * 1024
# What the kernel answers when the request changed between writing and reading.
_CONFLICTS = frozenset({errno.EWOULDBLOCK, errno.EBUSY, errno.EINTR})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TSMReport:
    """What the kernel answered.

    Attributes:
        outblob: the report or quote.
        auxblob: what the provider adds, such as a certificate table; ``b""`` for nothing.
    """

    outblob: bytes
    auxblob: bytes


class Filesystem(Protocol):
    """The four operations on configfs that a report takes. Each raises ``OSError``."""

    def make_folder(self, path: Path) -> None:
        """Make a request; the kernel fills it."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Drop a request with its attributes."""
        ...

    def read(self, path: Path) -> bytes:
        """All bytes of an attribute."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write an attribute in one call."""
        ...


class KernelFilesystem:
    """The real one."""

    def make_folder(self, path: Path) -> None:
        """Make a request; the kernel fills it."""
        path.mkdir(mode=0o700)

    def remove_folder(self, path: Path) -> None:
        """Drop a request; on configfs its attributes go with it."""
        path.rmdir()

    def read(self, path: Path) -> bytes:
        """All bytes of an attribute, at most a megabyte."""
        with path.open("rb", buffering=0) as file:
            chunks = []
            while chunk := file.read(_BLOB_LIMIT):
                chunks.append(chunk)
                if sum(map(len, chunks)) > _BLOB_LIMIT:
                    raise OSError(errno.EFBIG, "the attribute is larger than any report")
            return b"".join(chunks)

    def write(self, path: Path, data: bytes) -> None:
        """Write an attribute in one call: binary attributes of configfs take no second one."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.EIO, "the attribute took only a part")
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class ConfigfsTSM:
    """The report interface under one base folder."""

    base: Path
    files: Filesystem

    def provider(self) -> str | None:
        """The name of the kernel's provider, such as ``sev_guest``; ``None`` where there is none.

        Making a request is the only way to ask.
        """
        if not self.base.is_dir():
            return None
        try:
            with self._entry() as entry:
                return self._read_text(entry / "provider").removesuffix("\n")
        except OSError as error:
            # A kernel with configfs-tsm and without a provider refuses the folder (ENXIO).
            _log.debug("no provider of TSM reports: %s", error)
            return None

    def report(self, provider: str, inblob: bytes) -> TSMReport:
        """A report over the given bytes.

        Args:
            provider: who must make it, such as ``tdx_guest``.
            inblob: 1 to 64 bytes; 64 for every provider so far.

        Raises:
            NoTEEError: there is no such interface here, or another provider.
            DeviceConflictError: another writer was faster, ``ATTEMPTS`` times.
            DeviceError: the kernel refused a step.
        """
        if not 1 <= len(inblob) <= MAX_INBLOB_BYTES:
            raise DeviceError(f"report data has 1 to {MAX_INBLOB_BYTES} bytes")
        if not self.base.is_dir():
            raise NoTEEError("the kernel has no configfs-tsm report interface here")
        for attempt in range(1, ATTEMPTS + 1):
            report = self._try_report(provider, inblob)
            if report is not None:
                return report
            _log.warning("a TSM report request was disturbed, attempt %d", attempt)
        raise DeviceConflictError("others kept writing to the report request")

    def _try_report(self, provider: str, inblob: bytes) -> TSMReport | None:
        """A report, or ``None`` when another writer touched the request."""
        try:
            with self._entry() as entry:
                self._check_provider(entry, provider)
                self.files.write(entry / "inblob", inblob)
                outblob = self.files.read(entry / "outblob")
                auxblob = self._auxblob(entry)
                generation = self._read_text(entry / "generation")
        except OSError as error:
            if error.errno in _CONFLICTS:
                return None
            raise DeviceError("the kernel refused the report request") from error
        if not outblob:
            raise DeviceError("the kernel made an empty report")
        return _unless_disturbed(TSMReport(outblob, auxblob), generation)

    def _check_provider(self, entry: Path, provider: str) -> None:
        # The newline belongs to the kernel's answer, so what only begins alike is someone else.
        if self._read_text(entry / "provider") != f"{provider}\n":
            raise NoTEEError(f"the kernel's provider of reports is not {provider}")

    def _auxblob(self, entry: Path) -> bytes:
        try:
            return self.files.read(entry / "auxblob")
        except FileNotFoundError:
            # Only providers that have something to add show the attribute.
            return b""

    def _read_text(self, path: Path) -> str:
        return self.files.read(path).decode("ascii", "replace")

    @contextmanager
    def _entry(self) -> Iterator[Path]:
        entry = self.base / f"vouchgate-{secrets.token_hex(8)}"
        self.files.make_folder(entry)
        try:
            yield entry
        finally:
            self.files.remove_folder(entry)


def _unless_disturbed(report: TSMReport, generation: str) -> TSMReport | None:
    text = generation.strip()
    if not (text.isascii() and text.isdigit()):
        raise DeviceError("the generation of the report request is no number")
    return report if int(text[:20]) == OWN_GENERATION else None
