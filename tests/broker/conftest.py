"""Fixtures of the Key Broker Service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from broker.world import ALLOW_AFFIRMING, OPERATOR, World


@pytest.fixture
def world() -> Iterator[World]:
    """A broker with a secret and a policy that releases to affirmed guests."""
    world = World()
    world.policies.set(ALLOW_AFFIRMING, OPERATOR)
    world.store()
    yield world
    assert not world.db.open, "a transaction was left open"
