"""Versions of the protocol."""

from __future__ import annotations

import pytest

from guest.wire.errors import WireError
from guest.wire.versions import PROTOCOL_VERSION, is_served, parse_version


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.4",
        "v0.4.0",
        "0.4.0.0",
        "00.4.0",
        "0.4.x",
        " 0.4.0",
        "0.4.0\n",
        "\u0660.\u0664.\u0660",
    ],
)
def test_refuses_what_is_no_version(text: str) -> None:
    """Semantic versions, and nothing that looks alike."""
    with pytest.raises(WireError):
        parse_version(text)


@pytest.mark.parametrize(
    "text", ["0.5.0", "1.0.0", "0.4.0-rc.1", "0.0.1", "0.40.0", "0.1.1", "0.2.0"]
)
def test_does_not_serve_the_future_or_pre_releases(text: str) -> None:
    """What nobody knows yet cannot be promised."""
    assert not is_served(parse_version(text))


@pytest.mark.parametrize("text", [PROTOCOL_VERSION, "0.4.0+build.7", "0.4.1", "0.3.0"])
def test_serves_what_it_speaks_and_what_came_before(text: str) -> None:
    """Build metadata does not count (wire.md 2.1)."""
    assert is_served(parse_version(text))
