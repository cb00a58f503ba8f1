"""Hygon's structures as guests of Confidential Containers send them: JSON of integers.

The signatures are over bytes, so a table of fields turns the JSON into those, and everything is
read from them. Numbers are little endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue


class Kind(Enum):
    """How JSON writes a field."""

    NUMBER = "an unsigned integer"
    BYTES = "an array of bytes"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a structure.

    Attributes:
        path: the names of the members that lead to it, joined by dots.
        size: its bytes.
        kind: how it is written.
    """

    path: str
    size: int
    kind: Kind = Kind.BYTES


def encode_fields(unverified_structure: JSONValue, fields: Sequence[Field], name: str) -> bytes:
    """The fields' bytes, one after another.

    Args:
        unverified_structure: the JSON object that they are in.
        fields: in the order of the bytes.
        name: what the structure is, for messages: ``pek``.

    Raises:
        MalformedEvidenceError: a member is missing, or of a wrong type, range or length.
    """
    return b"".join(_encode(unverified_structure, field, name) for field in fields)


def json_object(unverified_value: JSONValue, name: str) -> JSONObject:
    """The value, when it is a JSON object.

    Raises:
        MalformedEvidenceError: it is not.
    """
    if not isinstance(unverified_value, dict):
        raise MalformedEvidenceError(f"{name} is not a JSON object")
    return unverified_value


def json_array(unverified_value: JSONValue, name: str, sizes: range) -> list[JSONValue]:
    """The value, when it is an array of so many elements.

    Raises:
        MalformedEvidenceError: it is not.
    """
    if not isinstance(unverified_value, list) or len(unverified_value) not in sizes:
        raise MalformedEvidenceError(
            f"{name} is not an array of {sizes.start} to {sizes.stop - 1} elements"
        )
    return unverified_value


def encode_bytes(unverified_array: JSONValue, size: int, name: str) -> bytes:
    """The bytes of an array of exactly ``size`` integers.

    Raises:
        MalformedEvidenceError: it is no such array.
    """
    array = unverified_array
    # A JSON boolean is an int to Python, and none to us.
    if not isinstance(array, list) or len(array) != size or not {int}.issuperset(map(type, array)):
        raise MalformedEvidenceError(f"{name} is not an array of {size} bytes")
    try:
        return bytes(array)
    except ValueError as error:
        raise MalformedEvidenceError(f"{name} holds a number that is no byte") from error


def encode_number(unverified_number: JSONValue, size: int, name: str) -> bytes:
    """The little-endian bytes of a number.

    Raises:
        MalformedEvidenceError: it is no unsigned integer of ``size`` bytes.
    """
    number = unverified_number
    if type(number) is not int or not 0 <= number < 1 << 8 * size:
        raise MalformedEvidenceError(f"{name} is not an unsigned integer of {size} bytes")
    return number.to_bytes(size, "little")


def _encode(structure: JSONValue, field: Field, name: str) -> bytes:
    *parents, last = field.path.split(".")
    value, at = json_object(structure, name), name
    for parent in parents:
        at = f"{at}.{parent}"
        value = json_object(value.get(parent), at)
    encode = encode_number if field.kind is Kind.NUMBER else encode_bytes
    return encode(value.get(last), field.size, f"{at}.{last}")
