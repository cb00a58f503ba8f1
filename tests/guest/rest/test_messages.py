"""Requests of the loopback API as they are read."""

from __future__ import annotations

import json

import pytest

from guest.rest.messages import Request, json_response


@pytest.mark.parametrize(
    "target",
    [
        "",
        "*",
        "info",
        "http://127.0.0.1/info",
        "//host/info",
        "//[x/info",
        "/a?x=%ff",
        "/a?" + "&".join(f"p{index}=1" for index in range(9)),
    ],
)
def test_refuses_other_targets(target: str) -> None:
    """Only a path and a short query of UTF-8."""
    assert Request.parse("GET", target) is None


def test_the_path_stays_as_it_was_written() -> None:
    """Neither decoded nor resolved, and without the fragment that no client sends."""
    request = Request.parse("GET", "/cdh/resource/a%2Fb/../c")
    assert request is not None
    assert request.path == "/cdh/resource/a%2Fb/../c"


def test_of_a_repeated_parameter_the_first_counts() -> None:
    """Decoded; an empty one is there."""
    request = Request.parse("GET", "/aa/evidence?a=x%20y&a=z&b=")
    assert request is not None
    assert request.parameters == {"a": "x y", "b": ""}


def test_json_is_compact() -> None:
    """As upstream writes it."""
    made = json_response({"a": 1, "b": "ü"})
    assert b" " not in made.body
    assert json.loads(made.body) == {"a": 1, "b": "ü"}
    assert made.content_type == "application/json"
