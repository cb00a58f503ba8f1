"""A recorded release comes out as it was recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from broker.world import DENIED, World, policy, submods

from app.broker.replay import ReleaseReplay
from app.trust.decisions import Outcome
from app.trust.errors import DomainError, PolicyDeniedError, PolicyFailedError, PolicyNotFoundError


def replay(world: World) -> ReleaseReplay:
    """What makes records again."""
    return ReleaseReplay(world.policy_store, world.engine)


def test_every_kind_of_outcome_replays_to_itself(world: World) -> None:
    """The record holds all that the decision needed."""
    asked: list[dict[str, Any]] = [
        {"bearer": world.token()},
        {"bearer": world.token(**DENIED)},
        {"bearer": world.token(**submods(None))},
        {"bearer": world.token(), "segments": ["default", "demo", "missing"]},
    ]
    for how in asked:
        try:
            world.get(**how)
        except DomainError:
            continue
    policy(world, "allow := true if input.iss\nallow := false if input.jti")
    with pytest.raises(PolicyFailedError):
        world.get(bearer=world.token())
    policy(world, "allow if true")
    replayed = [replay(world).replay(record) for record in world.db.decisions]
    assert [each.reason for each in replayed] == [
        "policy-allowed",
        "policy-denied",
        "token-tee-key-missing",
        "resource-not-found",
        "policy-failed",
    ]
    assert all(each.same for each in replayed)


def test_a_replay_shows_a_changed_record(world: World) -> None:
    """Claims that were edited afterwards come out otherwise."""
    with pytest.raises(PolicyDeniedError):
        world.get(bearer=world.token(**DENIED))
    (record,) = world.db.decisions
    edited = replace(record, outcome=Outcome.ALLOWED, reason="policy-allowed")
    replayed = replay(world).replay(edited)
    assert (replayed.same, replayed.outcome) == (False, Outcome.DENIED)


def test_a_replay_needs_the_policy_as_it_was(world: World) -> None:
    """A policy that is not here any more cannot be asked again."""
    world.get(bearer=world.token())
    (record,) = world.db.decisions
    (policy,) = record.inputs["policies"]
    record = replace(record, inputs=record.inputs | {"policies": [policy | {"digest": "0" * 64}]})
    with pytest.raises(PolicyNotFoundError):
        replay(world).replay(record)


def test_a_refusal_for_want_of_a_policy_replays() -> None:
    """No policy then is no policy now."""
    world = World()
    with pytest.raises(PolicyDeniedError):
        world.get(bearer=world.token())
    assert replay(world).replay(world.db.decisions[0]).same
