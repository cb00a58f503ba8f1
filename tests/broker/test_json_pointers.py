"""Pointers lead to what is there, and to nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.broker.json_pointers import MISSING, resolve

# RFC 6901, section 5.
DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7, "none": None}


@pytest.mark.parametrize(
    "pointer",
    ["/x", "/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/bar", "/foo/0/x", "/foo/\u0660", "/a"],
)
def test_leads_nowhere(pointer: str) -> None:
    """A pointer to what is not there finds nothing, instead of something near."""
    assert resolve(DOCUMENT, pointer) is MISSING


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 8),
        ("/ ", 7),
        ("/none", None),
    ],
)
def test_leads_to(pointer: str, value: Any) -> None:
    """The examples of the specification."""
    assert resolve(DOCUMENT, pointer) == value


@given(st.text(max_size=30))
def test_survives_any_pointer(pointer: str) -> None:
    """No pointer breaks the walk."""
    resolve(DOCUMENT, "/" + pointer)
