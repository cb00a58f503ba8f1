"""Firmware images of virtual machines: the table at their end, and what it leads to.

Sources: edk2, OvmfPkg/ResetVector (the table of GUIDs that ends 32 bytes before the end of the
image, and the SEV metadata behind one of them); Intel, "TDX Virtual Firmware Design Guide", section
11 (TDVF metadata). Little endian; GUIDs have the mixed byte order of UEFI.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from app.trust.errors import MalformedFirmwareError, TooLargeError

PAGE_BYTES = 4096
MAX_FIRMWARE_BYTES = 64 * 2**20
# What an image may lay claim to; a real one asks for less than one tenth.
MAX_MEMORY_BYTES = 256 * 2**20

TABLE = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
SEV_METADATA = UUID("dc886566-984a-4798-a75e-5585a7bf67cc")
SEV_HASHES = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
SEV_RESET = UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e")
TDX_METADATA = UUID("e47a6535-984a-4798-865e-4685a7bf8ec2")

_BYTES_BEHIND_TABLE = 32
_ENTRY_HEAD = 18
_MAX_SECTIONS = 64


@dataclass(frozen=True, slots=True)
class Firmware:
    """An image, and the entries of its table.

    Attributes:
        data: a whole number of pages.
        table: what each entry holds, by its GUID.
    """

    data: bytes
    table: dict[UUID, bytes]

    @classmethod
    def parse(cls, data: bytes) -> Firmware:
        """An image.

        Raises:
            TooLargeError: it is longer than 64 MiB.
            MalformedFirmwareError: it is no whole number of pages, or its table does not add up.
        """
        if len(data) > MAX_FIRMWARE_BYTES:
            raise TooLargeError(f"a firmware image has at most {MAX_FIRMWARE_BYTES} bytes")
        if not data or len(data) % PAGE_BYTES:
            raise MalformedFirmwareError("a firmware image is a whole number of pages of 4 KiB")
        return cls(data, _table(data))

    def number(self, guid: UUID, what: str) -> int:
        """The number that an entry begins with, 4 bytes.

        Raises:
            MalformedFirmwareError: there is no such entry, or it is shorter.
        """
        entry = self.table.get(guid, b"")
        if len(entry) < 4:
            raise MalformedFirmwareError(f"the firmware has no {what}")
        return int.from_bytes(entry[:4], "little")

    def at(self, start: int, size: int, what: str) -> bytes:
        """Bytes of the image.

        Raises:
            MalformedFirmwareError: they are not in it.
        """
        if not 0 <= start <= start + size <= len(self.data):
            raise MalformedFirmwareError(f"the firmware does not hold its {what}")
        return self.data[start : start + size]


def _table(data: bytes) -> dict[UUID, bytes]:
    """The entries, read from the last to the first; none when the image has no table."""
    end = len(data) - _BYTES_BEHIND_TABLE
    size, guid = _entry_head(data, end)
    if guid != TABLE:
        return {}
    if not _ENTRY_HEAD <= size <= end:
        raise MalformedFirmwareError("the table of the firmware does not fit into it")
    start, end = end - size, end - _ENTRY_HEAD
    table: dict[UUID, bytes] = {}
    while end - start >= _ENTRY_HEAD:
        size, guid = _entry_head(data, end)
        if not _ENTRY_HEAD <= size <= end - start or guid in table:
            raise MalformedFirmwareError("an entry in the table of the firmware does not add up")
        table[guid] = data[end - size : end - _ENTRY_HEAD]
        end -= size
    return table


def _entry_head(data: bytes, end: int) -> tuple[int, UUID]:
    """Size of a whole entry and its GUID, which stand at its end."""
    (size,) = struct.unpack_from("<H", data, end - _ENTRY_HEAD)
    return size, UUID(bytes_le=data[end - 16 : end])


@dataclass(frozen=True, slots=True)
class SEVSection:
    """Memory that is part of a SEV-SNP guest from the start, at a guest physical address."""

    address: int
    size: int
    kind: int


def sev_sections(firmware: Firmware) -> list[SEVSection]:
    """What the SEV metadata of an image say, in their order.

    Raises:
        MalformedFirmwareError: it has none, or they do not add up.
    """
    what = "SEV metadata: it is not built for SEV-SNP"
    start = len(firmware.data) - firmware.number(SEV_METADATA, what)
    head = firmware.at(start, 16, "SEV metadata")
    signature, size, version, count = struct.unpack("<4sIII", head)
    if (signature, version) != (b"ASEV", 1) or not 0 < count <= _MAX_SECTIONS:
        raise MalformedFirmwareError("the SEV metadata of the firmware are of no known form")
    if size < 16 + 12 * count:
        raise MalformedFirmwareError("the SEV metadata of the firmware are cut off")
    listed = firmware.at(start + 16, 12 * count, "SEV metadata")
    sections = [SEVSection(*each) for each in struct.iter_unpack("<III", listed)]
    _check_pages([(each.address, each.size) for each in sections])
    return sections


@dataclass(frozen=True, slots=True)
class TDXSection:
    """Memory that is part of a TD from the start.

    Attributes:
        data: from the image; zeros follow up to ``size``.
        address: guest physical.
        is_measured: whether its content goes into MRTD.
        is_added: whether it is there at launch; otherwise the guest accepts it later.
    """

    data: bytes
    address: int
    size: int
    is_measured: bool
    is_added: bool


_TDVF_POINTER = 32
_EXTENDED, _ADDED_LATER = 0x1, 0x2


def tdx_sections(firmware: Firmware) -> list[TDXSection]:
    """What the TDVF metadata of an image say, in their order.

    Raises:
        MalformedFirmwareError: it has none, or they do not add up.
    """
    start = _tdvf_start(firmware)
    head = firmware.at(start, 16, "TDVF metadata")
    signature, size, version, count = struct.unpack("<4sIII", head)
    if signature != b"TDVF":
        raise MalformedFirmwareError("the firmware has no TDVF metadata: it is not built for TDX")
    if version != 1 or not 0 < count <= _MAX_SECTIONS or size < 16 + 32 * count:
        raise MalformedFirmwareError("the TDVF metadata of the firmware are of no known form")
    listed = firmware.at(start + 16, 32 * count, "TDVF metadata")
    sections = [_tdx_section(firmware, listed[at : at + 32]) for at in range(0, len(listed), 32)]
    _check_pages([(each.address, each.size) for each in sections if each.is_added])
    return sections


def _tdvf_start(firmware: Firmware) -> int:
    """Where they begin: by the table, or in images without it by a pointer near the end."""
    if TDX_METADATA in firmware.table:
        return len(firmware.data) - firmware.number(TDX_METADATA, "TDVF metadata")
    return int.from_bytes(firmware.data[-_TDVF_POINTER:][:4], "little")


def _tdx_section(firmware: Firmware, entry: bytes) -> TDXSection:
    # What a section is for is the host's affair: nothing of it is measured.
    offset, raw, address, size, _, attributes = struct.unpack("<IIQQII", entry)
    if raw > size:
        raise MalformedFirmwareError("a section of the TDVF metadata is smaller than its data")
    return TDXSection(
        data=firmware.at(offset, raw, "section of the TDVF metadata") if raw else b"",
        address=address,
        size=size,
        is_measured=bool(attributes & _EXTENDED),
        is_added=not attributes & _ADDED_LATER,
    )


def _check_pages(places: list[tuple[int, int]]) -> None:
    """All of it is whole pages, apart from each other, and no more than a firmware needs."""
    if any(address % PAGE_BYTES or size % PAGE_BYTES or not size for address, size in places):
        raise MalformedFirmwareError("a section of the firmware's metadata is no whole pages")
    if sum(size for _, size in places) > MAX_MEMORY_BYTES:
        raise MalformedFirmwareError("the firmware's metadata ask for more memory than any needs")
    end = 0
    for address, size in sorted(places):
        if address < end:
            raise MalformedFirmwareError("sections of the firmware's metadata overlap")
        end = address + size
