"""Policies that would ask for less, or that were there before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from app.broker.scopes import ALLOW, DENY, GLOBAL_POLICY_ID
from app.console.candidates.compared import Compared, first_read, plain
from app.console.claims_at import MISSING, Found, holds
from app.console.remedies import Place, PolicyRemedy, Rank, Remedy, RollBack
from app.console.worlds import World
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_conditions import Condition, Literal, Path, Reference
from app.trust.policy_engine import PolicyEngine, PolicyText

_NOT_AT_ALL, _NEVER = "true", "false"


def asking_less(
    condition: Condition, place: Place, digest: str, compared: list[Compared], rank: Rank
) -> Iterator[Remedy]:
    """The condition asking for less: accepting what is there too, or asking for nothing."""
    literal = [each for each in compared if not isinstance(each.other, Reference)]
    unmet = [found for each in literal for found in each.unmet_by(each.literal)]
    if literal and not unmet and len(literal) == len(condition.comparisons):
        return
    claim = str(literal[0].path) if literal else first_read(condition)
    relaxed = _relaxed(condition, literal, unmet)
    yield PolicyRemedy(
        place, digest, condition.start, condition.end, relaxed, claim, plain(unmet), rank
    )


def denying_less(
    condition: Condition, place: Place, digest: str, compared: list[Compared], rank: Rank
) -> Iterator[Remedy]:
    """A condition under which the rule ``deny`` denies: it would have to be otherwise."""
    met = [
        found
        for each in compared
        for found in each.found
        if not isinstance(each.other, Reference) and holds(each.operator, found.value, each.literal)
    ]
    if compared and not met:
        return
    claim = str(compared[0].path) if compared else first_read(condition)
    yield PolicyRemedy(
        place, digest, condition.start, condition.end, _NEVER, claim, plain(met), rank
    )


def _relaxed(condition: Condition, literal: list[Compared], unmet: list[Found]) -> str:
    if condition.sides is None or len(literal) != 1 or any(f.value is MISSING for f in unmet):
        return _NOT_AT_ALL
    (each,) = literal
    if not isinstance(each.other, Literal) or not isinstance(condition.comparisons[0].left, Path):
        return _NOT_AT_ALL
    left, right = condition.sides
    actual = plain(unmet)
    values = actual if isinstance(actual, list) and len(unmet) > 1 else [actual]
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    if each.operator == "==":
        return f"{left} in {{{', '.join([right, *texts])}}}"
    if each.operator == "in" and right[-1:] in ("}", "]"):
        return f"{left} in {right[:-1].rstrip()}, {', '.join(texts)}{right[-1]}"
    if each.operator in (">=", "<=") and len(texts) == 1:
        return f"{left} {each.operator} {texts[0]}"
    return _NOT_AT_ALL


def roll_backs(
    world: World,
    engine: PolicyEngine,
    versions: Callable[[PolicyKind, str], list[PolicyVersion]],
    default_resource_policy: str,
) -> Iterator[Remedy]:
    """Each policy that judged, as it was before; the one that comes along where there is none."""
    release = world.release
    if release is not None and not release.policies:
        text = PolicyText.of(f"{GLOBAL_POLICY_ID}.rego", default_resource_policy)
        yield _rolled_back(PolicyKind.RESOURCE, GLOBAL_POLICY_ID, 0, ("", text), engine)
    judged = {(PolicyKind.ATTESTATION, part.policy_id): part.text for part in world.parts}
    for policy in release.policies if release is not None else ():
        judged[PolicyKind.RESOURCE, policy.scope.policy_id] = policy.text
    for (kind, policy_id), text in judged.items():
        version = _version_before(versions(kind, policy_id), text.digest)
        if version is not None:
            then = (text.digest, version.as_text())
            yield _rolled_back(kind, policy_id, version.version, then, engine)


def _rolled_back(
    kind: PolicyKind,
    policy_id: str,
    version: int,
    then: tuple[str, PolicyText],
    engine: PolicyEngine,
) -> RollBack:
    digest, text = then
    if kind is PolicyKind.ATTESTATION:
        return RollBack(kind, policy_id, version, digest, text, Rank.ROLL_BACK_ATTESTATION)
    rules = engine.rules(text, reference_values=False) & {ALLOW, DENY}
    return RollBack(kind, policy_id, version, digest, text, Rank.ROLL_BACK_RELEASE, rules)


def _version_before(versions: list[PolicyVersion], digest: str) -> PolicyVersion | None:
    """The newest version that is older than this text, and another one."""
    numbers = [each.version for each in versions if each.digest == digest]
    older = [each for each in versions if numbers and each.version < min(numbers)]
    return older[0] if older else None
