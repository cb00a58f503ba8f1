"""Several resource policies: the narrowest allows, any of them denies, nothing is overridden."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from broker.world import ALLOW_AFFIRMING, DENIED, OPERATOR, PATH, World

from app.broker.replay import ReleaseReplay
from app.broker.scopes import GLOBAL_POLICY_ID, Scope, ScopedPolicies, ScopedPolicy
from app.trust.errors import (
    DomainError,
    MalformedPolicyError,
    MalformedRequestError,
    PolicyNotFoundError,
)
from app.trust.policy_engine import PolicyText

REPOSITORY = "scope:resource:default"
TYPE = "scope:resource:default:demo"
YES, NO = "allow := true", "allow := false"
REFUSE = "deny := true"
# Undefined where the claim is not there: an `allow` that exists and says nothing.
ONLY_SPECIAL = "allow if input.special"


def set_policies(world: World, **bodies: str) -> None:
    """Set policies by a short name of their scope."""
    ids = {"everything": GLOBAL_POLICY_ID, "repository": REPOSITORY, "type": TYPE}
    ids["other"] = "scope:resource:other"
    for name, body in bodies.items():
        text = f"package policy\nimport rego.v1\n{body}\n"
        world.policies.set(text, OPERATOR, policy_id=ids[name])


def outcome(world: World, **how: Any) -> tuple[str, str | None]:
    """The reason of a release, and the policy whose rule decided."""
    with suppress(DomainError):
        world.get(**{"bearer": world.token(), **how})
    record = world.db.decisions[-1]
    return record.reason, record.result["decided_by"]


@pytest.mark.parametrize(
    ("policies", "reason", "decided_by"),
    [
        ({"everything": NO, "repository": YES}, "policy-allowed", REPOSITORY),
        ({"everything": YES, "repository": NO}, "policy-denied", REPOSITORY),
        ({"everything": YES, "repository": NO, "type": YES}, "policy-allowed", TYPE),
        ({"everything": YES, "repository": YES, "type": NO}, "policy-denied", TYPE),
        ({"everything": YES, "repository": REFUSE}, "policy-denied", REPOSITORY),
        ({"everything": YES, "repository": REFUSE, "type": YES}, "policy-denied", REPOSITORY),
        ({"everything": f"{NO}\n{REFUSE}", "type": YES}, "policy-denied", GLOBAL_POLICY_ID),
        ({"everything": YES, "type": f"{YES}\n{REFUSE}"}, "policy-denied", TYPE),
        ({"everything": YES, "repository": ONLY_SPECIAL}, "policy-denied", REPOSITORY),
        ({"everything": YES, "type": "deny if input.special"}, "policy-allowed", GLOBAL_POLICY_ID),
        ({"everything": YES, "type": "default deny := false"}, "policy-allowed", GLOBAL_POLICY_ID),
        (
            {"everything": YES, "type": 'deny contains "x" if false'},
            "policy-allowed",
            GLOBAL_POLICY_ID,
        ),
        ({"everything": YES, "type": 'deny contains "x" if true'}, "policy-denied", TYPE),
        ({"everything": YES, "type": 'deny := "no"'}, "policy-failed", None),
        ({"everything": YES, "type": "deny := 0"}, "policy-failed", None),
        ({"everything": YES, "type": "deny := null"}, "policy-failed", None),
        ({"everything": YES, "type": 'allow := "true"'}, "policy-denied", TYPE),
        ({"everything": YES, "other": REFUSE}, "policy-allowed", GLOBAL_POLICY_ID),
        (
            {"everything": YES, "type": "deny := true if input.iss\ndeny := false if input.jti"},
            "policy-failed",
            None,
        ),
    ],
)
def test_what_several_policies_decide(
    world: World, policies: dict[str, str], reason: str, decided_by: str | None
) -> None:
    """A deny is never overridden; otherwise the narrowest scope that allows or not decides."""
    set_policies(world, **policies)
    assert outcome(world) == (reason, decided_by)


def test_a_scope_ends_with_a_segment(world: World) -> None:
    """``resource/defa`` is no prefix of ``resource/default``."""
    text = f"package policy\n{REFUSE}\n"
    world.policies.set(text, OPERATOR, policy_id="scope:resource:defa")
    world.policies.set(text, OPERATOR, policy_id="scope:resource:Default")
    assert outcome(world) == ("policy-allowed", GLOBAL_POLICY_ID)


def test_a_policy_may_name_one_secret_or_a_whole_plugin(world: World) -> None:
    """From all that a plugin gives down to one path."""
    text = f"package policy\n{REFUSE}\n"
    exact = "scope:resource:" + ":".join(PATH)
    world.policies.set(text, OPERATOR, policy_id=exact)
    assert outcome(world) == ("policy-denied", exact)
    assert outcome(world, segments=["default", "demo", "else"])[0] == "resource-not-found"
    world.policies.set(text, OPERATOR, policy_id="scope:resource")
    assert outcome(world, segments=["a", "b", "c"]) == ("policy-denied", "scope:resource")


def test_the_record_names_all_that_applied(world: World) -> None:
    """Ids, scopes and digests, the narrowest first; the digest of the record covers all of them."""
    set_policies(world, type=YES, other=REFUSE)
    world.get(bearer=world.token())
    record = world.db.decisions[-1]
    applied = record.inputs["policies"]
    assert [(each["id"], each["scope"]) for each in applied] == [
        (TYPE, "resource/default/demo"),
        (GLOBAL_POLICY_ID, ""),
    ]
    assert len({each["digest"] for each in applied} | {record.policy_digest}) == 3


def test_a_release_under_several_policies_replays(world: World) -> None:
    """Allowed and denied alike, also when other policies decide by now."""
    set_policies(world, everything=YES, type=REFUSE)
    outcome(world)
    set_policies(world, type="deny if input.special")
    outcome(world)
    set_policies(world, everything=NO, type=NO)
    replay = ReleaseReplay(world.policy_store, world.engine)
    replayed = [replay.replay(record) for record in world.db.decisions[-2:]]
    assert [(each.same, each.reason) for each in replayed] == [
        (True, "policy-denied"),
        (True, "policy-allowed"),
    ]


def test_records_of_before_there_were_scopes_replay(world: World) -> None:
    """Then a rule ``deny`` meant nothing by itself."""
    set_policies(world, everything=f"{YES}\n{REFUSE}")
    outcome(world)
    record = world.db.decisions[-1]
    inputs = {name: value for name, value in record.inputs.items() if name != "policies"}
    old = replace(record, inputs=inputs, result={"allow": True, "failure": None})
    assert ReleaseReplay(world.policy_store, world.engine).replay(old).reason == "policy-allowed"


def test_a_policy_that_was_taken_away_applies_no_more(world: World) -> None:
    """At the next request, and its versions stay to be read."""
    set_policies(world, type=REFUSE)
    assert outcome(world)[0] == "policy-denied"
    with world.db.transactions():
        world.policies.remove(TYPE, OPERATOR, based_on=1)
    assert outcome(world)[0] == "policy-allowed"
    assert [each.active for each in world.policies.versions(TYPE)] == [False]
    entry = world.db.audit[-1].entry
    assert (entry.action, entry.subject) == ("policy:resource:remove", TYPE)
    with pytest.raises(PolicyNotFoundError), world.db.transactions():
        world.policies.remove(TYPE, OPERATOR)


def test_the_global_policy_is_not_taken_away(world: World) -> None:
    """Without it the next start would bring the default back, unasked."""
    with pytest.raises(MalformedRequestError), world.db.transactions():
        world.policies.remove(GLOBAL_POLICY_ID, OPERATOR)
    assert world.policies.get().text == ALLOW_AFFIRMING


@pytest.mark.parametrize(
    "policy_id",
    [
        "",
        "default_cpu",
        "scope:",
        "scope::",
        "scope:resource:",
        "scope:resource:.hidden",
        "scope:resource:a/b",
        "scope:resource:a b",
        "scope:elsewhere",
        "scope:default:demo",
        "scope:resource:a:b:c:d",
        "scope:" + ":".join(["other"] * 9),
        "scope:other:" + "a" * 600,
    ],
)
def test_a_scope_that_could_hold_nothing_is_refused(world: World, policy_id: str) -> None:
    """A policy that never applies would only seem to protect."""
    with pytest.raises(MalformedRequestError):
        world.policies.set(f"package policy\n{REFUSE}\n", OPERATOR, policy_id=policy_id)


@pytest.mark.parametrize("body", ["x := 1", "allow(x) := true", "deny(x) := true"])
def test_a_policy_without_a_word_is_refused(world: World, body: str) -> None:
    """One with a scope needs ``allow`` or ``deny``, and functions are neither."""
    with pytest.raises(MalformedPolicyError):
        world.policies.set(f"package policy\n{body}\n", OPERATOR, policy_id=TYPE)


def test_the_global_policy_says_allow(world: World) -> None:
    """It is the last to be asked."""
    with pytest.raises(MalformedPolicyError, match="allow"):
        world.policies.set(f"package policy\n{REFUSE}\n", OPERATOR)


def test_a_release_costs_no_more_when_there_are_many(world: World) -> None:
    """One look at the revisions, no read of policies and no look through their texts."""
    for number in range(50):
        world.policies.set(
            f"package policy\n{YES}\n", OPERATOR, policy_id=f"scope:resource:other{number}"
        )
    set_policies(world, type=YES)
    world.get(bearer=world.token())
    reads, asked, commits = world.policy_store.reads, world.revisions.reads, world.db.commits
    world.get(bearer=world.token())
    assert world.policy_store.reads == reads
    assert (world.revisions.reads, world.db.commits) == (asked + 1, commits + 1)


def test_denials_name_the_scope_and_no_more(world: World) -> None:
    """What a guest is told is a prefix of what it asked for."""
    set_policies(world, type=NO)
    with pytest.raises(DomainError) as caught:
        world.get(bearer=world.token(**DENIED))
    assert "resource/default/demo's rule allow" in caught.value.message


def test_policies_are_found_by_prefix() -> None:
    """The narrowest first, whatever the order that they were added in."""
    texts = PolicyText.of("p", "package policy")
    scopes = [Scope(), Scope.parse("a"), Scope.parse("a/b/c"), Scope.parse("b")]
    policies = ScopedPolicies(ScopedPolicy(scope, texts, frozenset()) for scope in scopes)
    found = policies.applicable(("a", "b", "c", "d"))
    assert [str(each.scope) for each in found] == ["a/b/c", "a", ""]
    narrower = policies.without(Scope.parse("a"))
    assert [str(each.scope) for each in narrower.applicable(("a",))] == [""]
    more = policies.with_policy(ScopedPolicy(Scope.parse("a/b"), texts, frozenset()))
    assert len(more.all()) == 5
