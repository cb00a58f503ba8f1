"""Reading binary structures never goes past their end."""

from __future__ import annotations

import pytest

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import MalformedEvidenceError


@pytest.mark.parametrize("size", [4, 2**32, 2**64])
def test_refuses_to_read_past_the_end(size: int) -> None:
    """The sizes that strangers claim cost nothing."""
    reader = ByteReader(b"abc", "the quote")
    with pytest.raises(MalformedEvidenceError, match="the quote ends at byte 3"):
        reader.take(size)
    assert reader.offset == 0


def test_reads_in_order() -> None:
    """Bytes and little-endian integers, and a look ahead that does not move."""
    reader = ByteReader(b"\x01\x02\x03\x04", "a log")
    assert reader.peek(9) == b"\x01\x02\x03\x04"
    assert reader.integer(2) == 0x0201
    assert reader.take(1) == b"\x03"
    assert (reader.offset, reader.remaining) == (3, 1)
