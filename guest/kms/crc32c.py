"""CRC-32C (RFC 3720, appendix B.4), by which Google's services notice what is damaged."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78


def _row(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (_POLYNOMIAL if index & 1 else 0)
    return index


_TABLE = tuple(_row(index) for index in range(256))


def crc32c(data: bytes) -> int:
    """The checksum, 32 bits."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
