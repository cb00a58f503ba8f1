"""LUKS2 by cryptsetup (cryptsetup(8), from version 2.1 on), with headers that no disk can change.

A header decides which ciphers are used, and it lies on a disk of the host's. So a disk that comes
encrypted is opened by a copy of its header in memory, after the copy was looked at; and a disk that
is encrypted here never has its header on it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from guest.errors import (
    BlockDeviceError,
    NotDecryptedError,
    ProgramFailedError,
    UntrustedVolumeError,
)
from guest.mounts.programs import Programs
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.members import object_value
from guest.wire.strict_json import parse_json_object

CRYPTSETUP = "cryptsetup"
CIPHER = "aes-xts-plain64"
SECTOR_BYTES = 4096
HEADER_BYTES = 16 * 1024 * 1024
MAX_HEADER_JSON_BYTES = 4 * 1024 * 1024
INTEGRITY = "hmac-sha256"
_INTEGRITY_IN_HEADER = "hmac(sha256)"

# Exit statuses of cryptsetup(8).
_NO_PERMISSION, _WRONG_DEVICE, _BUSY = 2, 4, 5
# A key of 64 random bytes needs no stretching; the least that cryptsetup takes.
_NO_STRETCHING = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


@dataclass(frozen=True, slots=True)
class Luks:
    """Formats, opens and closes.

    Attributes:
        programs: of this machine.
        folder: for headers; on a file system in memory, private to this guest.
    """

    programs: Programs = field(repr=False)
    folder: Path

    @contextmanager
    def fresh_header(
        self, device: str, key: bytes, *, integrity: bool, is_random: bool
    ) -> Iterator[str]:
        """Encrypt a disk, which loses what it held; the path of its header, while the block runs.

        Args:
            device: the disk.
            key: which opens it.
            integrity: whether a sector that was changed is noticed.
            is_random: whether the key is one of at least 64 random bytes.

        Raises:
            BlockDeviceError: the disk is in use, or not to be written to.
            ProgramMissingError, ProgramFailedError: cryptsetup.
        """
        with self._header_path() as header:
            with Path(header).open("xb") as file:
                file.truncate(HEADER_BYTES)
            arguments = ["--batch-mode", "luksFormat", "--type", "luks2", "--cipher", CIPHER]
            arguments += ["--sector-size", str(SECTOR_BYTES), "--header", header]
            arguments += _NO_STRETCHING if is_random else ()
            if integrity:
                # Not wiped: that would write the whole disk. Filesystems write before they read.
                arguments += ["--integrity", INTEGRITY]
                arguments += ["--integrity-no-wipe", "--integrity-no-journal"]
            self._cryptsetup(*arguments, "--key-file", "-", device, given=key)
            yield header

    @contextmanager
    def copied_header(self, device: str, *, integrity: bool) -> Iterator[str]:
        """The path of a copy of a disk's header that was looked at, while the block runs.

        Raises:
            UntrustedVolumeError: the disk has no header of LUKS2, or one that says to encrypt less
                than this guest does, or lacks integrity that is demanded.
            BlockDeviceError: there is no such disk.
            ProgramMissingError, ProgramFailedError: cryptsetup.
        """
        with self._header_path() as header:
            backup = ("--batch-mode", "luksHeaderBackup", "--header-backup-file", header)
            try:
                self._cryptsetup(*backup, device)
                dumped = self._cryptsetup("luksDump", "--dump-json-metadata", header)
            except ProgramFailedError as error:
                raise UntrustedVolumeError("the disk has no header of LUKS2") from error
            check_header(dumped, integrity=integrity)
            yield header

    def open(self, device: str, header: str, key: bytes, name: str) -> str:
        """Open a disk by a header; the path of what is readable.

        Raises:
            NotDecryptedError: it does not open under this key.
            BlockDeviceError: the disk or the name is in use.
            ProgramMissingError, ProgramFailedError: cryptsetup.
        """
        arguments = ("open", "--type", "luks2", "--header", header, "--key-file", "-")
        self._cryptsetup(*arguments, device, name, given=key)
        return f"/dev/mapper/{name}"

    def close(self, name: str) -> None:
        """Close what ``open`` opened.

        Raises:
            BlockDeviceError: it is in use.
            ProgramMissingError, ProgramFailedError: cryptsetup.
        """
        self._cryptsetup("close", name)

    @contextmanager
    def _header_path(self) -> Iterator[str]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as private:
            yield str(Path(private) / "header")

    def _cryptsetup(self, *arguments: str, given: bytes = b"") -> str:
        try:
            return self.programs.run(CRYPTSETUP, *arguments, given=given)
        except ProgramFailedError as error:
            if error.status == _NO_PERMISSION:
                raise NotDecryptedError("the disk does not open under this key") from error
            if error.status in {_WRONG_DEVICE, _BUSY}:
                raise BlockDeviceError(
                    "the disk is in use, is none, or the kernel does not take it"
                ) from error
            raise


def check_header(dumped: str, *, integrity: bool) -> None:
    """Look at what a header says, as JSON (LUKS2 On-Disk Format Specification, section 3).

    A keyslot that is not encrypted would open under any key, to a volume key that its author knows.
    A header that is being re-encrypted can be made to decrypt the disk where it lies.

    Raises:
        UntrustedVolumeError: it says another thing than this guest writes.
    """
    try:
        header = parse_json_object(dumped[:MAX_HEADER_JSON_BYTES])
        (segment,) = _tables(header, "segments")
        slots = _tables(header, "keyslots")
        config = object_value(header.get("config"), "config")
        areas = [object_value(slot.get("area"), "area") for slot in slots]
    except (WireError, ValueError) as error:
        raise UntrustedVolumeError(f"the header of the disk is of another form: {error}") from error
    if config.get("requirements"):
        raise UntrustedVolumeError("the header says that the disk is being re-encrypted")
    if segment.get("type") != "crypt" or segment.get("encryption") != CIPHER:
        raise UntrustedVolumeError(f"the disk is not encrypted with {CIPHER}")
    are_encrypted = all(area.get("encryption") == CIPHER for area in areas)
    if not areas or not are_encrypted or any(slot.get("type") != "luks2" for slot in slots):
        raise UntrustedVolumeError(f"a key of the header is not encrypted with {CIPHER}")
    found = segment.get("integrity")
    kind = found.get("type") if isinstance(found, dict) else None
    if integrity and kind != _INTEGRITY_IN_HEADER:
        raise UntrustedVolumeError(
            f"the disk has no integrity by {_INTEGRITY_IN_HEADER}; dataIntegrity=false does without"
        )


def _tables(header: JSONObject, name: str) -> list[JSONObject]:
    table: JSONValue = header.get(name)
    return [object_value(value, name) for value in object_value(table, name).values()]
