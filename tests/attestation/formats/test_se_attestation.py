"""Image headers of Secure Execution: read to their end and no further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated.se import TAGS, image_header

from app.attestation.formats.se_attestation import ImageHeaderError, image_tags


def test_the_tags_of_an_image_are_its_digests_and_its_tag() -> None:
    """Whatever follows the header in the file."""
    assert image_tags(image_header()) == TAGS
    assert image_tags(image_header()[:0x200]) == TAGS


def test_a_header_that_is_cut_is_refused() -> None:
    """At every length."""
    for length in range(0x200):
        with pytest.raises(ImageHeaderError):
            image_tags(image_header()[:length])


@pytest.mark.parametrize("size", [0, 0x1AF, 0x20D, 2**32 - 1])
def test_a_header_of_a_false_size_is_refused(size: int) -> None:
    """Too short for the digests, or longer than the file."""
    header = bytearray(image_header())
    header[12:16] = size.to_bytes(4, "big")
    with pytest.raises(ImageHeaderError):
        image_tags(bytes(header))


@given(st.binary(max_size=64))
def test_no_bytes_are_a_header(data: bytes) -> None:
    """Nor with the magic before them."""
    for each in (data, b"IBMSecEx" + data):
        with pytest.raises(ImageHeaderError):
            image_tags(each)
