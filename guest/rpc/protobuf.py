"""The part of Protocol Buffers that this guest's messages need: numbers, texts, bytes, in fields.

Source: "Encoding" of the Protocol Buffers documentation (wire types 0, 1, 2 and 5). Messages here
have no more than four fields, so that they are read by field number where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_FIELDS = 4096

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_MAX_NUMBER = 2**29 - 1
_MAX_VARINT_BYTES = 10
# Of tags and lengths, which have 32 bits.
_MAX_SIZE_BYTES = 5
_WORD = 2**64


class MalformedMessageError(ValueError):
    """The bytes are no message, or a field is not what it has to be."""


class Fields:
    """The fields of a message, by their numbers. Of a repeated number, the last counts."""

    def __init__(self, message: bytes) -> None:
        """Take a message apart.

        Args:
            message: at most ``MAX_MESSAGE_BYTES`` and ``MAX_FIELDS`` fields; unknown ones may be
                there.

        Raises:
            MalformedMessageError: it is none.
        """
        if len(message) > MAX_MESSAGE_BYTES:
            raise MalformedMessageError(f"a message has at most {MAX_MESSAGE_BYTES} bytes")
        self._values: dict[int, list[int | bytes]] = {}
        for count, (number, value) in enumerate(_fields(message)):
            if count >= MAX_FIELDS:
                raise MalformedMessageError(f"a message has at most {MAX_FIELDS} fields")
            self._values.setdefault(number, []).append(value)

    def octets(self, number: int) -> bytes:
        """Bytes; ``b""`` when they are missing.

        Raises:
            MalformedMessageError: the field is no bytes.
        """
        values = self.every_octets(number)
        return values[-1] if values else b""

    def every_octets(self, number: int) -> list[bytes]:
        """Bytes of a repeated field, in their order.

        Raises:
            MalformedMessageError: one is no bytes.
        """
        values = self._values.get(number, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise MalformedMessageError(f"field {number} is no bytes")
        return found

    def text(self, number: int) -> str:
        """A text; ``""`` when it is missing.

        Raises:
            MalformedMessageError: the field is no UTF-8.
        """
        return _decoded(self.octets(number), number)

    def texts(self, number: int) -> list[str]:
        """Texts of a repeated field, in their order.

        Raises:
            MalformedMessageError: one is no UTF-8.
        """
        return [_decoded(value, number) for value in self.every_octets(number)]

    def number(self, number: int) -> int | None:
        """A number from 0 to 2**64 - 1, or ``None`` when it is missing.

        Raises:
            MalformedMessageError: the field is no number.
        """
        value = self._values.get(number, [None])[-1]
        if isinstance(value, bytes):
            raise MalformedMessageError(f"field {number} is no number")
        return value


def octets_field(number: int, value: bytes) -> bytes:
    """A field of bytes; nothing for none, as proto3 writes defaults."""
    return _length_delimited(number, value) if value else b""


def text_field(number: int, value: str) -> bytes:
    """A field of text; nothing for an empty one."""
    return octets_field(number, value.encode("utf-8"))


def texts_field(number: int, values: list[str]) -> bytes:
    """A repeated field of texts, empty ones too."""
    return b"".join(_length_delimited(number, value.encode("utf-8")) for value in values)


def number_field(number: int, value: int) -> bytes:
    """A field with a number from -2**63 to 2**64 - 1; nothing for 0."""
    return optional_number_field(number, value or None)


def optional_number_field(number: int, value: int | None) -> bytes:
    """A field with a number, of which 0 is one; nothing for ``None``."""
    return b"" if value is None else _varint(number << 3) + _varint(value % _WORD)


def signed(value: int) -> int:
    """An ``int64`` or ``int32`` from the number that carries it."""
    return value - _WORD if value >= _WORD // 2 else value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at, _MAX_SIZE_BYTES)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _MAX_NUMBER:
            raise MalformedMessageError("a field has a number that none can have")
        if wire_type == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if wire_type == _LENGTH:
            length, at = _read_varint(message, at, _MAX_SIZE_BYTES)
        elif wire_type in _FIXED:
            length = _FIXED[wire_type]
        else:
            raise MalformedMessageError("a field is of a wire type that is not in use")
        if length > len(message) - at:
            raise MalformedMessageError("a field ends behind the message")
        octets = message[at : at + length]
        at += length
        # No message here has fields of fixed width, so that they are unknown ones.
        if wire_type == _LENGTH:
            yield number, octets


def _read_varint(message: bytes, at: int, most: int = _MAX_VARINT_BYTES) -> tuple[int, int]:
    value = 0
    for index, octet in enumerate(message[at : at + most]):
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            if value >= _WORD:
                break
            return value, at + index + 1
    raise MalformedMessageError("a number has no end, or more than 64 bits")


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _length_delimited(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(value)) + value


def _decoded(value: bytes, number: int) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessageError(f"field {number} is no UTF-8") from error
