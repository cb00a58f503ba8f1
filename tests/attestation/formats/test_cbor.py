"""CBOR is read strictly, and whatever else comes is malformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.attestation.formats.cbor import (
    MAX_DEPTH,
    parse_array,
    parse_cbor,
    parse_map,
    take_bytes,
    take_integer,
    take_optional_text,
    take_text,
    untag,
)
from app.trust.errors import MalformedEvidenceError

REFUSED = {
    "nothing": "",
    "two values": "0102",
    "a cut string": "43aabb",
    "a string of many exabytes": "5bffffffffffffffff",
    "an array of many exabytes": "9bffffffffffffffff",
    "an endless array": "9fff",
    "an endless string": "5f41aaff",
    "an endless map": "bfff",
    "a label twice": "a201010102",
    "a date": "c074323032362d30332d30315430303a30303a30305a",
    "a large number": "c24101",
    "a fraction": "c4820101",
    "a shared value": "d81c80",
    "a reference": "d81d00",
    "a pattern": "d8236128",
    "a set": "d9010280",
    "an address": "d9010444c0a80001",
    "a tag that describes itself": "d9d9f701",
    "a text that is no text": "61ff",
    "a reserved length": "1c",
    "a break alone": "ff",
    "too deep": "81" * (MAX_DEPTH + 1) + "01",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_evidence_does_not_have_is_malformed(name: str) -> None:
    """Each has a meaning to CBOR, and none to us."""
    with pytest.raises(MalformedEvidenceError):
        parse_cbor(bytes.fromhex(REFUSED[name]), "the test")


ODD: dict[str, Callable[[], object]] = {
    "an array for a map": lambda: parse_map([], "the test"),
    "a text for a label": lambda: parse_map({"1": 1}, "the test"),
    "a boolean for a label": lambda: parse_map({True: 1}, "the test"),
    "a float for a label": lambda: parse_map({1.0: 1}, "the test"),
    "a map for an array": lambda: parse_array({}, 0, "the test"),
    "bytes for an array": lambda: parse_array(b"", 0, "the test"),
    "another number of elements": lambda: parse_array([1], 2, "the test"),
    "no tag": lambda: untag([], 18, "the test"),
    "another tag": lambda: untag(cbor2.CBORTag(17, []), 18, "the test"),
    "no bytes": lambda: take_bytes({}, 1, []),
    "text for bytes": lambda: take_bytes({1: "a"}, 1, []),
    "another length": lambda: take_bytes({1: b"a"}, 1, [2, 3]),
    "bytes for text": lambda: take_text({1: b"a"}, 1),
    "nothing for text": lambda: take_optional_text({1: None}, 1),
    "a boolean for an integer": lambda: take_integer({1: True}, 1),
    "a float for an integer": lambda: take_integer({1: 1.0}, 1),
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_of_another_type_is_malformed(name: str) -> None:
    """Types and lengths are judged where they are read."""
    with pytest.raises(MalformedEvidenceError):
        ODD[name]()


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    """Nothing else comes out."""
    try:
        parse_cbor(data, "the test")
    except MalformedEvidenceError:
        return


PLAIN = st.recursive(
    st.integers(-(2**63), 2**63) | st.text() | st.binary() | st.booleans(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.integers(0, 9), each, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100)
@given(PLAIN)
def test_plain_values_parse_to_themselves(value: Any) -> None:
    """Numbers, strings, arrays and maps."""
    assert parse_cbor(cbor2.dumps(value), "the test") == value


def test_members_are_taken_by_label() -> None:
    """Those of any length, too."""
    members = parse_map({1: b"ab", 2: "text", 3: -7}, "the test")
    assert take_bytes(members, 1, []) == take_bytes(members, 1, [1, 2]) == b"ab"
    assert take_text(members, 2) == take_optional_text(members, 2) == "text"
    assert take_optional_text(members, 9) is None
    assert take_integer(members, 3) == -7
    assert [*parse_array((1, 2), 2, "the test")] == [1, 2]
    assert untag(cbor2.CBORTag(18, 5), 18, "the test") == 5
