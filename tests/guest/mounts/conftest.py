"""Programs that are written down instead of run, and disks that are only names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guest.errors import BlockDeviceError, GuestError, ProgramFailedError

DISK = "/dev/disk"

# As cryptsetup 2.6 tells of a disk that it formatted with the arguments of ``guest.mounts.luks``.
HEADER = """{
  "keyslots": {"0": {"type": "luks2", "key_size": 96,
    "af": {"type": "luks1", "stripes": 4000, "hash": "sha256"},
    "area": {"type": "raw", "offset": "32768", "size": "385024",
             "encryption": "aes-xts-plain64", "key_size": 64},
    "kdf": {"type": "pbkdf2", "hash": "sha256", "iterations": 1000, "salt": "AA=="}}},
  "tokens": {},
  "segments": {"0": {"type": "crypt", "offset": "16777216", "size": "dynamic", "iv_tweak": "0",
    "encryption": "aes-xts-plain64", "sector_size": 4096,
    "integrity": {"type": "hmac(sha256)", "journal_encryption": "none",
                  "journal_integrity": "none"}}},
  "digests": {},
  "config": {"json_size": "12288", "keyslots_size": "16744448"}
}"""


@dataclass
class RecordedPrograms:
    """Writes down what would be run, and what each program was given."""

    ran: list[list[str]] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    header: str = HEADER
    failing: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, *arguments: str, given: bytes = b"", files: Sequence[int] = ()) -> str:
        """Nothing is run; a program that is to fail does."""
        self.ran.append([name, *arguments])
        self.given.append(given)
        self.files += [Path(f"/proc/self/fd/{number}").read_bytes() for number in files]
        for key, status in self.failing.items():
            if {*key.split()} <= {name, *arguments}:
                raise ProgramFailedError(f"{name} ended with status {status}", status=status)
        if "luksHeaderBackup" in arguments:
            Path(arguments[3]).write_bytes(b"LUKS")
        return self.header if "luksDump" in arguments else ""


@dataclass
class NamedDisks:
    """One disk, by its numbers and its path."""

    def by_numbers(self, numbers: str) -> str:
        """8:32 is the disk."""
        if numbers != "8:32":
            raise BlockDeviceError(f"there is no block device {numbers}")
        return DISK

    def by_path(self, path: str) -> str:
        """Only its own."""
        if path != DISK:
            raise BlockDeviceError("devicePath leads nowhere")
        return DISK


@dataclass
class Secrets:
    """What a hub would fetch and unseal."""

    held: dict[str, bytes] = field(default_factory=dict)
    refusal: GuestError | None = None

    def __call__(self, name: str) -> bytes:
        """A secret, or the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.held[name]


@pytest.fixture
def programs() -> RecordedPrograms:
    """None has run."""
    return RecordedPrograms()


@pytest.fixture
def disks() -> NamedDisks:
    """One disk."""
    return NamedDisks()


@pytest.fixture
def secrets() -> Secrets:
    """Two keys."""
    return Secrets({"kbs:///a/disk/key": b"k" * 32, "sealed.a.b.c": b"s" * 32})


@pytest.fixture
def point(tmp_path: Path) -> Path:
    """A folder to mount at."""
    folder = tmp_path / "point"
    folder.mkdir()
    return folder
