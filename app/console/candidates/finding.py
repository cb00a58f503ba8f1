"""All changes that might make a decision come out otherwise: what each unmet condition asks for.

Nothing here is certain; ``app/console/counterfactuals.py`` tries every candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.attestation.appraisal import TRUST_RULE
from app.broker.scopes import ALLOW, DENY, ScopedPolicy
from app.console.candidates.compared import Compared, compared_claims, place_of
from app.console.candidates.guests import guest_of_part, guest_of_release
from app.console.candidates.policies import asking_less, denying_less, roll_backs
from app.console.candidates.reference_values import Draft, register, registered
from app.console.remedies import Rank, Remedy, SecretRemedy
from app.console.worlds import DERIVED, Part, World
from app.trust.errors import MalformedPolicyError, ResourceNotFoundError
from app.trust.json_types import JSONValue
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_conditions import DATA, Condition, Reference
from app.trust.policy_engine import PolicyEngine, PolicyText


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the record.

    Attributes:
        expired: the value of a name that had expired when the decision was made, or ``None``.
        versions: of a policy, newest first.
        deleted_version: of the secret at a path that was deleted, or ``None``.
        default_resource_policy: the text that comes with this server.
    """

    expired: Callable[[str], JSONValue]
    versions: Callable[[PolicyKind, str], list[PolicyVersion]]
    deleted_version: Callable[[str], int | None]
    default_resource_policy: str


def candidates(world: World, engine: PolicyEngine, facts: Facts) -> list[Remedy]:
    """Every remedy that might help, those that give nothing away first."""
    drafts: dict[str, Draft] = {}
    found: list[Remedy] = list(_secret(world, facts))
    for part in world.parts:
        for condition in conditions_of(engine, part.text, TRUST_RULE):
            if any(each.steps and each.steps[0] in part.policy_input for each in condition.reads):
                found += _of_part(world, part, condition, drafts, facts)
    found += [registered(world, name, draft, facts.expired) for name, draft in drafts.items()]
    for policy in world.release.policies if world.release is not None else ():
        for condition in conditions_of(engine, policy.text, ALLOW) if ALLOW in policy.rules else ():
            found += _of_release(world, policy, condition)
        for condition in conditions_of(engine, policy.text, DENY) if DENY in policy.rules else ():
            found += _of_denial(world, policy, condition)
    found += roll_backs(world, engine, facts.versions, facts.default_resource_policy)
    return sorted(_once(found), key=lambda each: each.rank)


def conditions_of(engine: PolicyEngine, text: PolicyText, rule: str) -> tuple[Condition, ...]:
    """The conditions of a rule; none of a text that does not compile here any more."""
    try:
        return engine.conditions(text, rule)
    except MalformedPolicyError:
        # Set by an older version of this program, or under other limits.
        return ()


def _of_part(
    world: World, part: Part, condition: Condition, drafts: dict[str, Draft], facts: Facts
) -> Iterator[Remedy]:
    place = place_of(PolicyKind.ATTESTATION, part.policy_id, condition)
    compared = list(compared_claims(condition, {"input": part.policy_input}))
    for each in compared:
        if isinstance(each.other, Reference):
            register(world, each, place, drafts, facts.expired)
        yield from guest_of_part(world, part, each, place)
    if not any(isinstance(each.other, Reference) for each in compared):
        yield from asking_less(condition, place, part.text.digest, compared, Rank.LINE)


def _of_release(world: World, policy: ScopedPolicy, condition: Condition) -> Iterator[Remedy]:
    place = place_of(PolicyKind.RESOURCE, policy.scope.policy_id, condition)
    compared = _compared_at_release(world, condition)
    for each in compared:
        yield from guest_of_release(world, each, place)
    rank = _rank_of_line(world, condition)
    yield from asking_less(condition, place, policy.text.digest, compared, rank)


def _of_denial(world: World, policy: ScopedPolicy, condition: Condition) -> Iterator[Remedy]:
    place = place_of(PolicyKind.RESOURCE, policy.scope.policy_id, condition)
    compared, rank = _compared_at_release(world, condition), _rank_of_line(world, condition)
    yield from denying_less(condition, place, policy.text.digest, compared, rank)


def _compared_at_release(world: World, condition: Condition) -> list[Compared]:
    release = world.release
    assert release is not None, "only releases are decided by resource policies"
    return list(compared_claims(condition, {"input": release.claims, DATA: release.data}))


def _rank_of_line(world: World, condition: Condition) -> Rank:
    is_verdict = bool(world.parts) and any(DERIVED & set(each.steps) for each in condition.reads)
    return Rank.VERDICT_LINE if is_verdict else Rank.LINE


def _secret(world: World, facts: Facts) -> Iterator[Remedy]:
    release = world.release
    if release is None or release.failure != ResourceNotFoundError.code:
        return
    path = "/".join(map(str, release.data.get("resource-path", ())))
    version = facts.deleted_version(path)
    if version is None:
        yield SecretRemedy(path, "write")
    else:
        yield SecretRemedy(path, "restore", version)


def _once(remedies: list[Remedy]) -> Iterator[Remedy]:
    seen: list[Remedy] = []
    for remedy in remedies:
        if remedy not in seen:
            seen.append(remedy)
            yield remedy
