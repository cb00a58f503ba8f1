"""Strict JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.errors import WireError
from guest.wire.strict_json import MAX_DEPTH, parse_json, parse_json_object


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a":1,"a":1}',
        b'[{"b":{"a":1,"a":2}}]',
        b"NaN",
        b"[-Infinity]",
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b"1" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{'a':1}",
    ],
)
def test_refuses_what_two_parsers_could_read_differently(text: bytes) -> None:
    """One meaning or none."""
    with pytest.raises(WireError):
        parse_json(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"{}"'])
def test_refuses_what_is_no_object(text: str) -> None:
    """Bodies are objects."""
    with pytest.raises(WireError):
        parse_json_object(text)


def test_depth_counts_outside_strings() -> None:
    """Brackets in text nest nothing."""
    text = json.dumps({"a": "[{" * 1000 + '\\"' + "[" * 100})
    assert parse_json_object(text)["a"].startswith("[{")
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deepest)[0]


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_agrees_with_the_standard_library(value: object) -> None:
    """What is honest JSON means what it always meant."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return
    assert parse_json(text) == json.loads(text)
    assert parse_json(text.encode()) == json.loads(text)
