"""Claims beside the reference values that policies compared them with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.attestation.appraisal import TRUST_RULE
from app.console.candidates.finding import conditions_of
from app.console.claims_at import MISSING, holds, values_at
from app.console.worlds import Part, World
from app.trust.json_types import JSONValue
from app.trust.policy_conditions import Comparison as Compared
from app.trust.policy_conditions import Path, Reference
from app.trust.policy_engine import PolicyEngine


@dataclass(frozen=True, slots=True)
class Comparison:
    """One reference value that was read, and a claim it was compared with.

    Attributes:
        name: of the reference value.
        part: of the guest; nothing when the source does not tell.
        claim: as policies write it; nothing when the source does not tell.
        state: ``missing``, ``differs``, ``met``, or ``read`` when the source does not tell.
        expected: the reference value, ``None`` when it was missing.
        actual: the claim's value, or the list of its values.
        line: of the policy; 0 when the source does not tell.
        is_cause: whether another value would have changed the outcome.
    """

    name: str
    part: str
    claim: str
    state: str
    expected: JSONValue
    actual: JSONValue
    line: int
    is_cause: bool


def compared(world: World, engine: PolicyEngine, causes: frozenset[str]) -> list[Comparison]:
    """Every reference value that the policies compare something with, causes first.

    Args:
        world: as it was.
        engine: reads the policies.
        causes: the names that would have changed the outcome.
    """
    told = [each for part in world.parts for each in _of_part(world, part, engine, causes)]
    names = {each.name for each in told}
    others = [
        Comparison(
            name, "", "", "missing" if value is None else "read", value, None, 0, name in causes
        )
        for name, value in world.values.known.items()
        if name not in names
    ]
    return sorted([*told, *others], key=lambda each: (not each.is_cause, each.name, each.part))


def _of_part(
    world: World, part: Part, engine: PolicyEngine, causes: frozenset[str]
) -> Iterator[Comparison]:
    seen: set[tuple[str, str]] = set()
    for condition in conditions_of(engine, part.text, TRUST_RULE):
        for each in condition.comparisons:
            made = _compared(world, part, each, condition.line, causes)
            if made is not None and (made.name, made.claim) not in seen:
                seen.add((made.name, made.claim))
                yield made


def _compared(
    world: World, part: Part, each: Compared, line: int, causes: frozenset[str]
) -> Comparison | None:
    path, reference = each.left, each.right
    if not isinstance(path, Path) or not isinstance(reference, Reference):
        return None
    found = [f for f in values_at(part.policy_input, path.steps) if f.value is not MISSING]
    if not found:
        return None
    expected = world.values.get(reference.name)
    # Of a value with parts the whole is shown, and whether all of them are met is not told.
    is_met = not reference.steps and all(holds(each.operator, f.value, expected) for f in found)
    state = "missing" if expected is None else "met" if is_met else "differs"
    if reference.steps and expected is not None and reference.name not in causes:
        state = "read"
    actual = found[0].value if len(found) == 1 else [f.value for f in found]
    return Comparison(
        reference.name,
        part.name,
        str(path),
        state,
        expected,
        actual,
        line,
        reference.name in causes,
    )
