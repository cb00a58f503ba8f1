"""The firmware's event log, cut where it ends (TCG PC Client Platform Firmware Profile, 10.2).

The table that ACPI names is larger than the log and is filled with 0xFF or 0x00. Evidence carries
the log alone, closed with eight bytes of 0xFF (guest.md, section 2.6; evidence.md, section 3.1).
"""

from __future__ import annotations

import struct

from guest.errors import DeviceError

TERMINATOR = b"\xff" * 8
MAX_LOG_BYTES = 16 * 1024 * 1024

_FIRST_HEADER = struct.Struct("<II20sI")
_ALGORITHMS_OFFSET = 24
_EV_NO_ACTION = 3


def cut_event_log(area: bytes) -> bytes:
    """The log of an event log area, with its terminator.

    Raises:
        DeviceError: a record reaches beyond the area, or a digest has an undeclared algorithm.
    """
    if len(area) > MAX_LOG_BYTES:
        raise DeviceError("the event log is larger than any firmware writes")
    try:
        offset, sizes = _first_record(area)
        while not _ends(area[offset : offset + 8]):
            offset = _after_record(area, offset, sizes)
    except (struct.error, KeyError) as error:
        raise DeviceError("the firmware's event log is malformed") from error
    if offset > len(area):
        raise DeviceError("the firmware's event log is malformed")
    return area[:offset] + TERMINATOR


def _ends(head: bytes) -> bool:
    return not head or head in {TERMINATOR, bytes(8)}


def _first_record(area: bytes) -> tuple[int, dict[int, int]]:
    """Offset after the first record, and the digest size in bytes of each declared algorithm."""
    _, kind, _, size = _FIRST_HEADER.unpack_from(area)
    body = area[_FIRST_HEADER.size : _FIRST_HEADER.size + size]
    sizes: dict[int, int] = {}
    if kind == _EV_NO_ACTION:
        (count,) = struct.unpack_from("<I", body, _ALGORITHMS_OFFSET)
        for index in range(min(count, 64)):
            at = _ALGORITHMS_OFFSET + 4 + 4 * index
            algorithm, digest_bytes = struct.unpack_from("<HH", body, at)
            sizes[algorithm] = digest_bytes
    return _FIRST_HEADER.size + size, sizes


def _after_record(area: bytes, offset: int, sizes: dict[int, int]) -> int:
    _, _, count = struct.unpack_from("<III", area, offset)
    at = offset + 12
    for _ in range(count):
        (algorithm,) = struct.unpack_from("<H", area, at)
        at += 2 + sizes[algorithm]
    (size,) = struct.unpack_from("<I", area, at)
    return int(at + 4 + size)
