"""A firmware image as OVMF builds them, of a few pages: with SEV metadata and TDVF metadata.

Nothing in it runs. What its bytes are follows from their places, so that every page differs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from uuid import UUID

PAGE = 4096
TABLE = "96b582de-1fb2-45f7-baea-a366c55a082d"
SEV_METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
SEV_HASHES = "7255371f-3a3b-4b04-927b-1da6efa8d454"
SEV_RESET = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
TDX_METADATA = "e47a6535-984a-4798-865e-4685a7bf8ec2"

RESET = 0x80B004
# Address, size, kind: zeros, secrets, CPUID, digests of a kernel.
SEV = ((0x800000, 0x3000, 1), (0x80D000, PAGE, 2), (0x80E000, PAGE, 3), (0x80F000, PAGE, 0x10))
HASHES = 0x80F400
# Offset, bytes in the image, address, size, kind, attributes: of code, variables, HOB, stack, rest.
TDX = (
    (0x2000, 0x4000, 0xFFFFC000, 0x4000, 0, 1),
    (0, 0x2000, 0xFFFFA000, 0x2000, 1, 0),
    (0, 0, 0x809000, 0x2000, 2, 0),
    (0, 0, 0x810000, PAGE, 3, 0),
    (0, 0, 0x900000, PAGE, 4, 2),
)

_SEV_AT, _TDX_AT = 0x5000, 0x5400


def image(
    *,
    sev: bytes | None = None,
    tdx: bytes | None = None,
    hashes: int = HASHES,
    without: Sequence[str] = (),
    pages: int = 6,
) -> bytes:
    """The image.

    Args:
        sev: its SEV metadata.
        tdx: its TDVF metadata.
        hashes: where the digests of a kernel go; 0 when it takes none.
        without: GUIDs of entries that are left out of its table.
        pages: how many it has.
    """
    size = pages * PAGE
    data = bytearray((at // PAGE * 31 + at * 7) % 251 for at in range(size))
    for at, metadata in ((_SEV_AT, sev or sev_metadata()), (_TDX_AT, tdx or tdx_metadata())):
        data[at : at + len(metadata)] = metadata
    entries = {
        SEV_RESET: struct.pack("<I", RESET),
        SEV_HASHES: struct.pack("<II", hashes, 0x400),
        SEV_METADATA: struct.pack("<I", size - _SEV_AT),
        TDX_METADATA: struct.pack("<I", size - _TDX_AT),
    }
    table = b"".join(entry(guid, held) for guid, held in entries.items() if guid not in without)
    if TABLE not in without:
        table += struct.pack("<H", len(table) + 18) + UUID(TABLE).bytes_le
    data[size - 32 - len(table) : size - 32] = table
    # Images without a table point at their TDVF metadata from here.
    data[size - 32 : size - 28] = struct.pack("<I", _TDX_AT)
    return bytes(data)


def entry(guid: str, held: bytes, size: int | None = None) -> bytes:
    """An entry of the table; it may lie about its size."""
    told = len(held) + 18 if size is None else size
    return held + struct.pack("<H", told) + UUID(guid).bytes_le


def sev_metadata(
    sections: Sequence[tuple[int, int, int]] = SEV, *, signature: bytes = b"ASEV", version: int = 1
) -> bytes:
    """SEV metadata."""
    listed = b"".join(struct.pack("<III", *each) for each in sections)
    return struct.pack("<4sIII", signature, 16 + len(listed), version, len(sections)) + listed


def tdx_metadata(
    sections: Sequence[tuple[int, int, int, int, int, int]] = TDX,
    *,
    signature: bytes = b"TDVF",
    version: int = 1,
) -> bytes:
    """TDVF metadata."""
    listed = b"".join(struct.pack("<IIQQII", *each) for each in sections)
    return struct.pack("<4sIII", signature, 16 + len(listed), version, len(sections)) + listed
