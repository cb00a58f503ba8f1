"""Reading members of JSON objects."""

from __future__ import annotations

from typing import Any

import pytest

from guest.wire.errors import WireError
from guest.wire.members import object_value, optional_text_member, text_member


@pytest.mark.parametrize("value", [None, 1, True, [], {}, "xxx"])
def test_refuses_other_members(value: Any) -> None:
    """Missing, of another type, or too long."""
    with pytest.raises(WireError):
        text_member({"a": value}, "a", limit=2)
    with pytest.raises(WireError):
        text_member({}, "a", limit=2)
    if value is not None:
        with pytest.raises(WireError):
            optional_text_member({"a": value}, "a", limit=2)


@pytest.mark.parametrize("value", [None, 1, "", []])
def test_refuses_what_is_no_object(value: Any) -> None:
    """Members are only of objects."""
    with pytest.raises(WireError):
        object_value(value, "it")


def test_takes_text() -> None:
    """Up to the limit; an optional one may be null or missing."""
    assert text_member({"a": "xx"}, "a", limit=2) == "xx"
    assert optional_text_member({"a": "xx"}, "a", limit=2) == "xx"
    assert optional_text_member({"a": None}, "a", limit=2) is None
    assert optional_text_member({}, "a", limit=2) is None
    assert object_value({}, "it") == {}
