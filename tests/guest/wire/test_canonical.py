"""Canonical JSON, against the examples of its RFC."""

from __future__ import annotations

from typing import Any

import pytest

from guest.wire.canonical import canonical_json
from guest.wire.errors import WireError


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53 + 2, "\ud800", {1: 2}, object()]
)
def test_refuses_what_json_cannot_say(value: Any) -> None:
    """Two sides that read such a value differently would hash differently."""
    with pytest.raises(WireError):
        canonical_json(value)


def test_refuses_bottomless_nesting() -> None:
    """Instead of a RecursionError."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(WireError):
        canonical_json(value)


def test_serialises_as_the_rfc() -> None:
    """RFC 8785, section 3.2.2 and 3.2.3."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(value) == expected.encode()
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert canonical_json(keys) == canonical_json({key: keys[key] for key in order})
    assert canonical_json(keys).decode().startswith('{"\\r":2,"1":4,"\u0080":6')
