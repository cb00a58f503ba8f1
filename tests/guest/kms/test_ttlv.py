"""The encoding of KMIP messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.kms.ttlv import (
    BYTES,
    ENUMERATION,
    INTEGER,
    STRUCTURE,
    TEXT,
    Item,
    MalformedItemError,
    parse,
    structure,
)

# KMIP 1.4, section 9.1.2, "Examples".
EXAMPLES = {
    "420020 02 00000004 0000000800000000": Item(0x420020, INTEGER, 8),
    "420020 03 00000008 01B69B4BA5749200": Item(0x420020, 3, 123456789000000000),
    "420020 05 00000004 000000FF00000000": Item(0x420020, ENUMERATION, 255),
    "420020 06 00000008 0000000000000001": Item(0x420020, 6, 1),
    "420020 07 0000000B 48656C6C6F20576F726C640000000000": Item(0x420020, TEXT, "Hello World"),
    "420020 08 00000003 0102030000000000": Item(0x420020, BYTES, b"\x01\x02\x03"),
    "420020 01 00000020 420004 05 00000004 000000FE00000000 420005 02 00000004 000000FF00000000": (
        structure(0x420020, Item(0x420004, ENUMERATION, 254), Item(0x420005, INTEGER, 255))
    ),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_agrees_with_its_specification(text: str) -> None:
    """Both ways."""
    raw = bytes.fromhex(text)
    assert parse(raw) == EXAMPLES[text]
    assert EXAMPLES[text].encode() == raw


@pytest.mark.parametrize("text", EXAMPLES)
def test_refuses_what_is_cut_or_longer(text: str) -> None:
    """At every length."""
    raw = bytes.fromhex(text)
    for length in range(len(raw)):
        with pytest.raises(MalformedItemError):
            parse(raw[:length])
    with pytest.raises(MalformedItemError):
        parse(raw + b"\0")


@pytest.mark.parametrize(
    "text",
    [
        "420020 02 00000003 0000080000000000",
        "420020 02 00000004 0000000800000001",
        "420020 07 00000001 FF00000000000000",
        "420020 01 00000001 0000000000000000",
        "420020 08 FFFFFFFF",
    ],
)
def test_refuses_slack(text: str) -> None:
    """Other lengths of numbers, padding that is not zero, texts that are none."""
    with pytest.raises(MalformedItemError):
        parse(bytes.fromhex(text))


def test_refuses_nesting_without_end() -> None:
    """Before Python would run out of stack."""
    raw = b""
    for _ in range(100):
        raw = Item(0x420020, BYTES, raw).encode()
        raw = raw[:3] + bytes([STRUCTURE]) + raw[4:]
    with pytest.raises(MalformedItemError):
        parse(raw)


def test_an_item_is_found_when_it_is_one() -> None:
    """Neither none nor two."""
    item = structure(1, Item(2, INTEGER, 5), Item(3, INTEGER, 6), Item(3, INTEGER, 7))
    assert item.find(2).value == 5
    for path in ((4,), (3,), (2, 2)):
        with pytest.raises(MalformedItemError):
            item.find(*path)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """What was read is written the same, when it is of a type that is written."""
    for data in (raw, bytes.fromhex("4200200800000008") + raw[:8].ljust(8, b"\0")):
        try:
            item = parse(data)
        except MalformedItemError:
            continue
        assert item.value is not None
