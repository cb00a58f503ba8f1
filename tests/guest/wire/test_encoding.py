"""Strict base64."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.encoding import b64_decode, b64_encode, b64url_decode, b64url_encode
from guest.wire.errors import WireError


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AAA", "AB==", "A A=", "AA==\n", "-_==", "é", 1]
)
def test_refuses_other_base64(text: Any) -> None:
    """One text for every byte string: no slack, no white space, no other alphabet."""
    with pytest.raises(WireError):
        b64_decode(text)


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A+", "A/", "AA\n", "é", None, b"AA"])
def test_refuses_other_base64url(text: Any) -> None:
    """As above, without padding."""
    with pytest.raises(WireError):
        b64url_decode(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_round_trips(data: bytes) -> None:
    """Everything that is encoded decodes to itself."""
    assert b64_decode(b64_encode(data)) == data
    assert b64url_decode(b64url_encode(data)) == data
