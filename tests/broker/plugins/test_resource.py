"""The resource plugin: three segments, one secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.broker.plugins.ports import Call
from app.broker.plugins.resource import PLUGIN
from app.broker.secrets import ResourceID
from app.trust.errors import MalformedResourceError, ResourceNotFoundError


def call(*segments: str) -> Call:
    """A call of the plugin."""
    return Call("resource", segments, {})


def test_refuses_what_does_not_exist() -> None:
    """A reader that finds nothing is a missing resource."""
    with pytest.raises(ResourceNotFoundError):
        PLUGIN.answer(call("a", "b", "c"), lambda _: None)


@given(st.lists(st.text(max_size=8), max_size=5))
def test_any_path_is_a_resource_or_malformed(segments: list[str]) -> None:
    """No path ends in anything else, and a good one says itself again."""
    asked = call(*segments)
    try:
        PLUGIN.check(asked)
    except MalformedResourceError:
        return
    assert asked.subject == f"resource/{ResourceID.of(segments)}"


def test_answers_with_the_secret_of_the_path() -> None:
    """Repository, type and tag, in this order."""
    secrets = {ResourceID("a", "b", "c"): b"secret", ResourceID("c", "b", "a"): b"other"}
    assert PLUGIN.answer(call("a", "b", "c"), secrets.get) == b"secret"
