"""Changes that might make a decision come out otherwise: what each unmet condition asks for.

Nothing here is certain; ``app/console/counterfactuals.py`` tries every candidate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.attestation.appraisal import TRUST_RULE
from app.attestation.claim_dictionary import Direction, find_claim
from app.broker.scopes import ALLOW, DENY, GLOBAL_POLICY_ID, ScopedPolicy
from app.console.claims_at import MISSING, Found, holds, mirrored, values_at
from app.console.remedies import (
    GuestRemedy,
    Place,
    PolicyRemedy,
    Rank,
    ReferenceValueRemedy,
    Remedy,
    RollBack,
    SecretRemedy,
)
from app.console.worlds import DERIVED, EVIDENCE, Part, World, with_value
from app.trust.errors import MalformedPolicyError, ResourceNotFoundError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_conditions import (
    DATA,
    FAILS,
    HOLDS,
    Comparison,
    Condition,
    Each,
    Literal,
    Path,
    Reference,
)
from app.trust.policy_engine import PolicyEngine, PolicyText

# An event log has hundreds of values; to offer them all would be no advice.
_MOST_VALUES = 16
_NOT_AT_ALL, _NEVER = "true", "false"


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


@dataclass(frozen=True, slots=True)
class _Compared:
    """A claim beside what it is compared with; the claim is on the left."""

    operator: str
    path: Path
    other: Reference | Literal | None
    found: list[Found]


@dataclass(slots=True)
class _Draft:
    """A reference value in the making: all that would be compared with it, met."""

    value: JSONValue
    first: tuple[str, JSONValue, Place]
    is_met: bool = True
    wanted: list[Found] = field(default_factory=list)


def candidates(world: World, engine: PolicyEngine, facts: Facts) -> list[Remedy]:
    """Every remedy that might help, those that give nothing away first."""
    drafts: dict[str, _Draft] = {}
    found: list[Remedy] = list(_secret(world, facts))
    for part in world.parts:
        for condition in conditions_of(engine, part.text, TRUST_RULE):
            if any(each.steps and each.steps[0] in part.policy_input for each in condition.reads):
                found += _of_part(world, part, condition, drafts, facts)
    found += [_registered(world, name, draft, facts) for name, draft in drafts.items()]
    for policy in world.release.policies if world.release is not None else ():
        for condition in conditions_of(engine, policy.text, ALLOW) if ALLOW in policy.rules else ():
            found += _of_release(world, policy, condition)
        for condition in conditions_of(engine, policy.text, DENY) if DENY in policy.rules else ():
            found += _of_denial(world, policy, condition)
    found += _roll_backs(world, engine, facts)
    return sorted(_once(found), key=lambda each: each.rank)


def conditions_of(engine: PolicyEngine, text: PolicyText, rule: str) -> tuple[Condition, ...]:
    """The conditions of a rule; none of a text that does not compile here any more."""
    try:
        return engine.conditions(text, rule)
    except MalformedPolicyError:
        # Set by an older version of this program, or under other limits.
        return ()


def _of_part(
    world: World, part: Part, condition: Condition, drafts: dict[str, _Draft], facts: Facts
) -> Iterator[Remedy]:
    place = _place(PolicyKind.ATTESTATION, part.policy_id, condition)
    compared = list(_compared(condition, {"input": part.policy_input}))
    for each in compared:
        if isinstance(each.other, Reference):
            _register(world, each, place, drafts, facts)
        yield from _guest_of_part(world, part, each, place)
    if not any(isinstance(each.other, Reference) for each in compared):
        yield from _less(condition, place, part.text.digest, compared, Rank.LINE)


def _of_release(world: World, policy: ScopedPolicy, condition: Condition) -> Iterator[Remedy]:
    place = _place(PolicyKind.RESOURCE, policy.scope.policy_id, condition)
    compared = list(_compared(condition, _documents(world)))
    for each in compared:
        yield from _guest_of_release(world, each, place)
    rank = _rank_of_line(world, condition)
    yield from _less(condition, place, policy.text.digest, compared, rank)


def _of_denial(world: World, policy: ScopedPolicy, condition: Condition) -> Iterator[Remedy]:
    """A condition under which the rule ``deny`` denies: it would have to be otherwise."""
    compared = list(_compared(condition, _documents(world)))
    met = [
        found
        for each in compared
        for found in each.found
        if not isinstance(each.other, Reference)
        and holds(each.operator, found.value, _literal(each))
    ]
    if compared and not met:
        return
    place = _place(PolicyKind.RESOURCE, policy.scope.policy_id, condition)
    claim = str(compared[0].path) if compared else _first_read(condition)
    yield PolicyRemedy(
        place,
        policy.text.digest,
        condition.start,
        condition.end,
        _NEVER,
        claim,
        _plain(met),
        _rank_of_line(world, condition),
    )


def _documents(world: World) -> JSONObject:
    release = world.release
    assert release is not None, "only releases are decided by resource policies"
    return {"input": release.claims, DATA: release.data}


def _rank_of_line(world: World, condition: Condition) -> Rank:
    is_verdict = bool(world.parts) and any(DERIVED & set(each.steps) for each in condition.reads)
    return Rank.VERDICT_LINE if is_verdict else Rank.LINE


def _literal(each: _Compared) -> JSONValue:
    return each.other.value if isinstance(each.other, Literal) else None


def _compared(condition: Condition, documents: JSONObject) -> Iterator[_Compared]:
    for comparison in condition.comparisons:
        oriented = _oriented(comparison)
        if oriented is not None and isinstance(oriented.left, Path):
            path, other = oriented.left, oriented.right
            found = values_at(documents.get(path.root), path.steps)
            if other is None or isinstance(other, Reference | Literal):
                yield _Compared(oriented.operator, path, other, found)


def _oriented(comparison: Comparison) -> Comparison | None:
    """The comparison with its claim on the left; ``None`` when it does not compare one."""
    if isinstance(comparison.left, Path):
        return comparison
    operator = mirrored(comparison.operator)
    if operator is None or not isinstance(comparison.right, Path):
        return None
    return Comparison(operator, comparison.right, comparison.left)


# --- Reference values -------------------------------------------------------------------------


def _register(
    world: World, compared: _Compared, place: Place, drafts: dict[str, _Draft], facts: Facts
) -> None:
    """Add to the draft of a reference value what would meet this comparison."""
    reference = compared.other
    assert isinstance(reference, Reference)
    present = [each for each in compared.found if each.value is not MISSING]
    if not present or len(present) > _MOST_VALUES or compared.operator in ("!=", "<", ">"):
        return
    if compared.operator == "==" and any(each.value != present[0].value for each in present):
        return
    known = world.values.get(reference.name)
    base = facts.expired(reference.name) if known is None else known
    first = (str(compared.path), _plain(present), place)
    draft = drafts.setdefault(reference.name, _Draft(base, first))
    for each in present:
        steps = tuple(
            each.keys[step.number] if isinstance(step, Each) else step for step in reference.steps
        )
        if not holds(compared.operator, each.value, _at(known, steps)):
            draft.is_met = False
        draft.value = with_value(draft.value, steps, _meeting(compared, each, draft.value, steps))


def _meeting(
    compared: _Compared, found: Found, value: JSONValue, steps: tuple[str | int, ...]
) -> JSONValue:
    """What would stand at a place of a reference value so that the comparison holds."""
    now = _at(value, steps)
    if compared.operator == "in":
        listed = now if isinstance(now, list) else []
        return listed if holds("in", found.value, listed) else [*listed, found.value]
    if compared.operator == "not in":
        listed = now if isinstance(now, list) else []
        return [each for each in listed if each != found.value]
    if holds(compared.operator, found.value, now):
        return now
    return found.value


def _registered(world: World, name: str, draft: _Draft, facts: Facts) -> Remedy:
    known, expired = world.values.get(name), facts.expired(name)
    claim, actual, place = draft.first
    is_renewal = known is None and expired is not None and draft.value == expired
    return ReferenceValueRemedy(
        name=name,
        value=draft.value,
        expected=known if known is not None else expired,
        state="differs" if known is not None else "missing" if expired is None else "expired",
        claim=claim,
        actual=actual,
        place=place,
        rank=Rank.RENEW if is_renewal else Rank.REGISTER,
    )


def _at(document: JSONValue, steps: tuple[str | int, ...]) -> JSONValue:
    (found,) = values_at(document, steps)
    return None if found.value is MISSING else found.value


# --- The guest --------------------------------------------------------------------------------


def _guest_of_part(world: World, part: Part, each: _Compared, place: Place) -> Iterator[Remedy]:
    expected, rank = _literal(each), Rank.GUEST
    if isinstance(each.other, Reference):
        if each.other.steps:
            return
        expected = world.values.get(each.other.name)
        if expected is None:
            return
        rank = _rank_of_update(each, expected)
    wanted = _wanted(each, expected)
    unmet = _unmet(each, expected)
    if wanted is not None and unmet:
        steps = tuple(found.steps for found in unmet)
        claim = str(each.path)
        yield GuestRemedy("evidence", part.name, claim, steps, _plain(unmet), wanted, place, rank)


def _guest_of_release(world: World, each: _Compared, place: Place) -> Iterator[Remedy]:
    expected = _literal(each)
    wanted = _wanted(each, expected)
    judged_here = {part.name for part in world.parts}
    places: dict[tuple[str, str], list[Found]] = {}
    for found in _unmet(each, expected):
        root, part = _root_of(each.path, found.steps, judged_here)
        if root:
            places.setdefault((root, part), []).append(found)
    for (root, part), unmet in places.items():
        if wanted is not None:
            cut = 3 if root == "evidence" else 0
            steps = tuple(found.steps[cut:] for found in unmet)
            claim = str(each.path)
            yield GuestRemedy(root, part, claim, steps, _plain(unmet), wanted, place, Rank.GUEST)


def _root_of(path: Path, steps: tuple[str | int, ...], judged_here: set[str]) -> tuple[str, str]:
    """Whose a value is; nobody's when it is what an appraisal here made of the evidence."""
    if path.root == DATA:
        # Which plugin answers is a matter of the path, and of this server.
        return ("", "") if steps[:1] == ("plugin",) else ("request", "")
    if len(steps) > 2 and steps[0] == "submods" and steps[1] in judged_here:
        if steps[2] in DERIVED:
            return "", ""
        if steps[2] == EVIDENCE and len(steps) > 3:
            return "evidence", str(steps[1])
    return "token", ""


def _unmet(each: _Compared, expected: JSONValue) -> list[Found]:
    unmet = [found for found in each.found if not holds(each.operator, found.value, expected)]
    return unmet if len(unmet) <= _MOST_VALUES else []


def _wanted(each: _Compared, expected: JSONValue) -> JSONValue:
    """What a claim would have to be; ``None`` when that cannot be told."""
    if each.operator == HOLDS:
        return True
    if each.operator == FAILS:
        return False
    if each.operator == "in" and isinstance(expected, list) and expected:
        return _nearest(each, expected)
    return expected if each.operator in ("==", ">=", "<=") else None


def _nearest(each: _Compared, expected: list[JSONValue]) -> JSONValue:
    """Of several good values the least that is newer, where values are versions."""
    actual = _plain(each.found)
    newer = [value for value in expected if holds(">", value, actual)]
    return min(newer) if newer else expected[0]


def _rank_of_update(each: _Compared, expected: JSONValue) -> Rank:
    """A guest that is older than what is registered is to be updated; another one is another."""
    tee, rest = str(each.path.steps[0]), Path("", each.path.steps[1:])
    claim = find_claim(tee, str(rest).removeprefix("."))
    is_version = claim is not None and claim.direction in (Direction.HIGHER, Direction.LATER)
    values = expected if isinstance(expected, list) else [expected]
    actual = _plain(each.found)
    is_older = bool(values) and all(holds("<", actual, value) for value in values)
    return Rank.GUEST if is_older and (is_version or each.operator == ">=") else Rank.OTHER_GUEST


def _plain(found: list[Found]) -> JSONValue:
    """The one value, or all of them; ``None`` for what is not there."""
    values = [None if each.value is MISSING else each.value for each in found]
    distinct = [value for index, value in enumerate(values) if value not in values[:index]]
    return distinct[0] if len(distinct) == 1 else distinct or None


# --- Policies ---------------------------------------------------------------------------------


def _less(
    condition: Condition, place: Place, digest: str, compared: list[_Compared], rank: Rank
) -> Iterator[Remedy]:
    """The condition asking for less: accepting what is there too, or asking for nothing."""
    literal = [each for each in compared if not isinstance(each.other, Reference)]
    unmet = [found for each in literal for found in _unmet(each, _literal(each))]
    if literal and not unmet and len(literal) == len(condition.comparisons):
        return
    claim = str(literal[0].path) if literal else _first_read(condition)
    relaxed = _relaxed(condition, literal, unmet)
    yield PolicyRemedy(
        place, digest, condition.start, condition.end, relaxed, claim, _plain(unmet), rank
    )


def _relaxed(condition: Condition, literal: list[_Compared], unmet: list[Found]) -> str:
    if condition.sides is None or len(literal) != 1 or any(f.value is MISSING for f in unmet):
        return _NOT_AT_ALL
    (each,) = literal
    if not isinstance(each.other, Literal) or not isinstance(condition.comparisons[0].left, Path):
        return _NOT_AT_ALL
    left, right = condition.sides
    actual = _plain(unmet)
    values = actual if isinstance(actual, list) and len(unmet) > 1 else [actual]
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    if each.operator == "==":
        return f"{left} in {{{', '.join([right, *texts])}}}"
    if each.operator == "in" and right[-1:] in ("}", "]"):
        return f"{left} in {right[:-1].rstrip()}, {', '.join(texts)}{right[-1]}"
    if each.operator in (">=", "<=") and len(texts) == 1:
        return f"{left} {each.operator} {texts[0]}"
    return _NOT_AT_ALL


def _first_read(condition: Condition) -> str:
    return min((str(path) for path in condition.reads), default="")


def _roll_backs(world: World, engine: PolicyEngine, facts: Facts) -> Iterator[Remedy]:
    release = world.release
    if release is not None and not release.policies:
        text = PolicyText.of(f"{GLOBAL_POLICY_ID}.rego", facts.default_resource_policy)
        yield _rolled_back(PolicyKind.RESOURCE, GLOBAL_POLICY_ID, 0, ("", text), engine)
    judged = {(PolicyKind.ATTESTATION, part.policy_id): part.text for part in world.parts}
    for policy in release.policies if release is not None else ():
        judged[PolicyKind.RESOURCE, policy.scope.policy_id] = policy.text
    for (kind, policy_id), text in judged.items():
        version = _version_before(facts.versions(kind, policy_id), text.digest)
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


def _place(kind: PolicyKind, policy_id: str, condition: Condition) -> Place:
    return Place(kind, policy_id, condition.line, condition.text, condition.rule)


def _once(remedies: list[Remedy]) -> Iterator[Remedy]:
    seen: list[Remedy] = []
    for remedy in remedies:
        if remedy not in seen:
            seen.append(remedy)
            yield remedy
