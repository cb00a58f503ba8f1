"""Event logs of the TCG's crypto-agile form (TCG PC Client Platform Firmware Profile, 10.2).

The table that ACPI names is larger than the log and is filled with 0xFF or 0x00. Evidence carries
the log alone, closed with eight bytes of 0xFF (guest.md, section 2.6; evidence.md, section 3.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from guest.errors import DeviceError
from guest.wire.digests import digest

TERMINATOR = b"\xff" * 8
MAX_LOG_BYTES = 16 * 1024 * 1024

_FIRST_HEADER = struct.Struct("<II20sI")
_ALGORITHMS_OFFSET = 24
_EV_NO_ACTION = 3
_ALGORITHM_IDS = {"sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D, "sm3": 0x0012}
_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64, "sm3": 32}


@dataclass(frozen=True, slots=True)
class Record:
    """One record, but for the first, which has no digests.

    Attributes:
        index: of the register, as the log names it.
        digests: by the number of their algorithm.
        end: offset in the log after it.
    """

    index: int
    digests: tuple[tuple[int, bytes], ...]
    end: int


def cut_event_log(area: bytes) -> bytes:
    """The log of an event log area, with its terminator.

    Raises:
        DeviceError: a record reaches beyond the area, or a digest has an undeclared algorithm.
    """
    end = _first_record(area)[0]
    for record in records(area):
        end = record.end
    return area[:end] + TERMINATOR


def replay(area: bytes, index: int, algorithm: str) -> bytes:
    """What a register holds that began with zeros and was extended as the log says.

    Args:
        area: of the log.
        index: of the register, as the log names it.
        algorithm: of the register, by its wire name.

    Raises:
        DeviceError: the log is malformed.
    """
    value = bytes(_DIGEST_BYTES[algorithm])
    for record in records(area):
        for number, each in record.digests:
            if record.index == index and number == _ALGORITHM_IDS[algorithm]:
                value = digest(value + each, algorithm)
    return value


def records(area: bytes) -> Iterator[Record]:
    """The records after the first, up to the end of the log.

    Raises:
        DeviceError: a record reaches beyond the area, or a digest has an undeclared algorithm.
    """
    if len(area) > MAX_LOG_BYTES:
        raise DeviceError("the event log is larger than any that is expected")
    offset, sizes = _first_record(area)
    while not _ends(area[offset : offset + 8]):
        record = _record(area, offset, sizes)
        offset = record.end
        yield record


def _ends(head: bytes) -> bool:
    return not head or head in {TERMINATOR, bytes(8)}


def _first_record(area: bytes) -> tuple[int, dict[int, int]]:
    """Offset after the first record, and the digest size in bytes of each declared algorithm."""
    try:
        _, kind, _, size = _FIRST_HEADER.unpack_from(area)
        body = area[_FIRST_HEADER.size : _FIRST_HEADER.size + size]
        sizes = _declared(body) if kind == _EV_NO_ACTION else {}
    except struct.error as error:
        raise DeviceError("the event log is malformed") from error
    if len(body) != size:
        raise DeviceError("the event log is malformed")
    return _FIRST_HEADER.size + size, sizes


def _declared(body: bytes) -> dict[int, int]:
    (count,) = struct.unpack_from("<I", body, _ALGORITHMS_OFFSET)
    first = _ALGORITHMS_OFFSET + 4
    pairs = (struct.unpack_from("<HH", body, first + 4 * each) for each in range(min(count, 64)))
    return {int(algorithm): int(size) for algorithm, size in pairs}


def _record(area: bytes, offset: int, sizes: dict[int, int]) -> Record:
    try:
        index, _, count = struct.unpack_from("<III", area, offset)
        at = offset + 12
        digests = []
        for _ in range(count):
            (algorithm,) = struct.unpack_from("<H", area, at)
            end = at + 2 + sizes[algorithm]
            digests.append((int(algorithm), area[at + 2 : end]))
            at = end
        (size,) = struct.unpack_from("<I", area, at)
    except (struct.error, KeyError) as error:
        raise DeviceError("the event log is malformed") from error
    if at + 4 + size > len(area):
        raise DeviceError("the event log is malformed")
    return Record(int(index), tuple(digests), at + 4 + int(size))
