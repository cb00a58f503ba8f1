"""Structures from JSON: every field in its place, and nothing that is not what the table says."""

from __future__ import annotations

from typing import Any

import pytest

from app.attestation.formats.hygon_json import (
    Field,
    Kind,
    encode_bytes,
    encode_fields,
    encode_number,
    json_array,
    json_object,
)
from app.trust.errors import MalformedEvidenceError

FIELDS = (Field("a.number", 2, Kind.NUMBER), Field("a.b.bytes", 3), Field("last", 1))
PLAIN: dict[str, Any] = {"a": {"number": 0x0102, "b": {"bytes": [3, 4, 5]}}, "last": [6]}


@pytest.mark.parametrize(
    "structure",
    [None, [], {}, {**PLAIN, "a": None}, {**PLAIN, "a": {"number": 1, "b": []}}, {"a": PLAIN["a"]}],
)
def test_a_structure_with_something_missing_is_malformed(structure: Any) -> None:
    """The message says what, by its path."""
    with pytest.raises(MalformedEvidenceError, match=r"^it"):
        encode_fields(structure, FIELDS, "it")


@pytest.mark.parametrize("number", [None, True, 1.0, "1", -1, 65536])
def test_a_number_is_unsigned_and_fits(number: Any) -> None:
    """A boolean is none."""
    with pytest.raises(MalformedEvidenceError):
        encode_number(number, 2, "it")


@pytest.mark.parametrize("array", [None, "ab", {}, [1], [1, 2, 3], [1, True], [1, 256], [-1, 1]])
def test_an_array_is_of_bytes_and_of_its_length(array: Any) -> None:
    """Exactly so many."""
    with pytest.raises(MalformedEvidenceError):
        encode_bytes(array, 2, "it")


def test_objects_and_arrays_are_what_they_are_called() -> None:
    """With so many elements."""
    for value in (None, [], "?"):
        with pytest.raises(MalformedEvidenceError):
            json_object(value, "it")
    for value in (None, {}, [], [1, 2, 3]):
        with pytest.raises(MalformedEvidenceError):
            json_array(value, "it", range(1, 3))
    assert json_object({}, "it") == {}
    assert json_array([1], "it", range(1, 3)) == [1]


def test_fields_stand_one_after_another() -> None:
    """Numbers in little endian; members that nobody asks for are ignored."""
    assert encode_fields({**PLAIN, "more": 1}, FIELDS, "it") == bytes([2, 1, 3, 4, 5, 6])
