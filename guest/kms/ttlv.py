"""TTLV, the encoding of KMIP messages: tag, type, length, value (KMIP 1.4, section 9.1).

As much of it as two operations need, without slack: every item ends where its length says, padding
is zero, and nesting is bounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "int | str | bytes | list[Item]"

STRUCTURE, INTEGER, LONG_INTEGER, ENUMERATION, BOOLEAN = 1, 2, 3, 5, 6
TEXT, BYTES, DATE = 7, 8, 9

HEADER_BYTES = 8

_MAX_DEPTH = 8
_ALIGNED = 8
_NUMBERS = {INTEGER: ">i", ENUMERATION: ">I", LONG_INTEGER: ">q", BOOLEAN: ">Q", DATE: ">q"}


class MalformedItemError(ValueError):
    """The bytes are no TTLV."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Attributes:
        tag: 24 bits.
        kind: type of the value.
        value: a number, a text, bytes, or the items of a structure.
    """

    tag: int
    kind: int
    value: Value

    def encode(self) -> bytes:
        """The item, padded to a multiple of eight bytes."""
        raw = self._raw()
        header = self.tag.to_bytes(3, "big") + bytes([self.kind]) + len(raw).to_bytes(4, "big")
        return header + raw + bytes(-len(raw) % _ALIGNED)

    def _raw(self) -> bytes:
        if isinstance(self.value, list):
            return b"".join(item.encode() for item in self.value)
        if isinstance(self.value, int):
            return struct.pack(_NUMBERS[self.kind], self.value)
        return self.value.encode("utf-8") if isinstance(self.value, str) else self.value

    def find(self, *tags: int) -> Item:
        """The only item under this path of tags.

        Raises:
            MalformedItemError: there is none, or more than one.
        """
        item = self
        for tag in tags:
            below = item.value if isinstance(item.value, list) else []
            found = [each for each in below if each.tag == tag]
            if len(found) != 1:
                raise MalformedItemError(f"there are {len(found)} items {tag:06x}")
            item = found[0]
        return item


def structure(tag: int, *items: Item) -> Item:
    """A structure of items."""
    return Item(tag, STRUCTURE, list(items))


def parse(data: bytes) -> Item:
    """The one item that the bytes are.

    Raises:
        MalformedItemError: they are none, or something follows.
    """
    item, end = _parse(data, 0, _MAX_DEPTH)
    if end != len(data):
        raise MalformedItemError("something follows the item")
    return item


def body_bytes(header: bytes) -> int:
    """How many bytes follow the first eight of an item, padding included.

    Raises:
        MalformedItemError: these are not the first eight.
    """
    if len(header) != HEADER_BYTES:
        raise MalformedItemError("an item ends before its length")
    length = int.from_bytes(header[4:], "big")
    return length + -length % _ALIGNED


def _parse(data: bytes, at: int, depth: int) -> tuple[Item, int]:
    start = at + HEADER_BYTES
    header = data[at:start]
    padded, length = body_bytes(header), int.from_bytes(header[4:], "big")
    raw, end = data[start : start + length], start + padded
    if end > len(data) or any(data[start + length : end]):
        raise MalformedItemError("an item ends behind the message, or its padding is not zero")
    tag, kind = int.from_bytes(header[:3], "big"), header[3]
    if kind == STRUCTURE:
        return Item(tag, kind, _items(raw, depth)), end
    return Item(tag, kind, _value(kind, raw)), end


def _items(raw: bytes, depth: int) -> list[Item]:
    if depth == 0:
        raise MalformedItemError(f"structures nest deeper than {_MAX_DEPTH}")
    items, at = [], 0
    while at < len(raw):
        item, at = _parse(raw, at, depth - 1)
        items.append(item)
    return items


def _value(kind: int, raw: bytes) -> int | str | bytes:
    if kind in _NUMBERS:
        if len(raw) != struct.calcsize(_NUMBERS[kind]):
            raise MalformedItemError("a number has another length than its type")
        number: int = struct.unpack(_NUMBERS[kind], raw)[0]
        return number
    if kind == TEXT:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedItemError("a text is no UTF-8") from error
    # Other types are not read here, and their bytes are as good as any.
    return raw
