"""DER is read strictly or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attestation.formats import der
from app.attestation.formats.der import DERError

NOT_DER = {
    "a length that is missing": "02",
    "content that is missing": "0201",
    "a length of no bytes": "0480",
    "a long length that was short": "04810100",
    "a length with a leading zero": "0482008041" + "41" * 127,
    "a length of five bytes": "04850000000001ff",
    "a length that ends early": "0482",
    "a high tag number": "1f0100",
    "something after it": "02010000",
}


@pytest.mark.parametrize("name", NOT_DER)
def test_bytes_that_are_not_der_are_refused(name: str) -> None:
    """One encoding for every value, and nothing left over."""
    with pytest.raises(DERError):
        der.read_value(bytes.fromhex(NOT_DER[name]), bytes.fromhex(NOT_DER[name])[0])


@pytest.mark.parametrize("octet", [1, 7, 8, 255])
def test_a_signature_leaves_no_bits_unused(octet: int) -> None:
    """One certificate has one encoding."""
    der.check_whole_signature(b"\x30\x04\x03\x02\x00\xf0", b"\xf0")
    with pytest.raises(DERError):
        der.check_whole_signature(bytes([0x30, 4, 3, 2, octet, 0xF0]), b"\xf0")


def test_another_tag_is_refused() -> None:
    """A value is what was asked for."""
    with pytest.raises(DERError):
        der.read_value(b"\x02\x01\x00", der.OCTET_STRING)


def test_a_primitive_value_has_no_children() -> None:
    """Its content is not values."""
    with pytest.raises(DERError):
        der.read_value(b"\x04\x03\x02\x01\x00", der.OCTET_STRING).children()


def read(encoded: str) -> der.DERValue:
    """The one value of the hexadecimal text."""
    (value,) = der.read_values(bytes.fromhex(encoded))
    return value


REFUSED: list[tuple[Callable[[der.DERValue], Any], str]] = [
    (der.integer, "0200"),
    (der.integer, "02020001"),
    (der.integer, "0202ff80"),
    (der.integer, "040101"),
    (der.object_identifier, "0600"),
    (der.object_identifier, "060180"),
    (der.object_identifier, "020100"),
    (der.bit_string, "0300"),
    (der.bit_string, "030207ff"),
    (der.bit_string, "040100"),
    (der.time, "170d3235303130313030303030305a".replace("5a", "41")),
    (der.time, "170b323530313031303030305a"),
    (der.time, "170d3235313330313030303030305a"),
    (der.time, "180d3235303130313030303030305a"),
    (der.time, "040100"),
    (der.time, "170dffffffffffffffffffffffffff"),
]


@pytest.mark.parametrize(("take", "encoded"), REFUSED)
def test_a_value_of_another_form_is_refused(
    take: Callable[[der.DERValue], Any], encoded: str
) -> None:
    """Each kind has one form."""
    with pytest.raises(DERError):
        take(read(encoded))


def test_values_are_read() -> None:
    """The smallest case of each kind."""
    assert der.integer(read("020100")) == 0
    assert der.integer(read("020200d9")) == 217
    assert der.integer(read("0201ff")) == -1
    assert der.object_identifier(read("060a2b060104019c78010308")) == "1.3.6.1.4.1.3704.1.3.8"
    assert der.object_identifier(read("0603550403")) == "2.5.4.3"
    assert der.bit_string(read("030200ff")) == b"\xff"
    assert der.time(read("170d3235303130323033303430355a")) == datetime(
        2025, 1, 2, 3, 4, 5, tzinfo=UTC
    )
    assert der.time(read("170d3530303130313030303030305a")).year == 1950
    assert der.time(read("180f32303530303130313030303030305a")).year == 2050


def test_a_long_value_is_read() -> None:
    """Lengths of more than one byte."""
    content = bytes(300)
    assert der.read_value(b"\x04\x82\x01\x2c" + content, der.OCTET_STRING).content == content


@given(st.binary(max_size=64))
def test_no_bytes_do_anything_but_parse_or_be_refused(data: bytes) -> None:
    """What parses is exactly what stood there."""
    try:
        values = der.read_values(data)
    except DERError:
        return
    assert b"".join(value.encoded for value in values) == data
