"""The event log of a boot, as a TPM's firmware writes it."""

from __future__ import annotations

import struct
from collections.abc import Sequence

NO_ACTION, SEPARATOR, IPL = 3, 4, 0xD
_BANKS = {"1": (4, 20), "b": (0xB, 32), "c": (0xC, 48)}


def log(events: Sequence[tuple[int, int, bytes, bytes]], banks: str = "1b") -> bytes:
    """A log of ``(register, event type, SHA-256 digest, data)``.

    Args:
        events: in their order.
        banks: by the last digit of their algorithms: SHA-1, SHA-256 ``b``, SHA-384 ``c``; a digest
            is cut or filled to their sizes.
    """
    listed = b"".join(struct.pack("<HH", *_BANKS[bank]) for bank in banks)
    spec = b"Spec ID Event03\0" + bytes(8) + struct.pack("<I", len(banks)) + listed + b"\0"
    made = struct.pack("<II", 0, NO_ACTION) + bytes(20) + struct.pack("<I", len(spec)) + spec
    for index, kind, digest, data in events:
        made += struct.pack("<III", index, kind, len(banks))
        for bank in banks:
            identifier, size = _BANKS[bank]
            made += struct.pack("<H", identifier) + digest[:size].ljust(size, b"\0")
        made += struct.pack("<I", len(data)) + data
    return made
