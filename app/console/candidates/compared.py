"""Claims beside what a condition compares them with, and what they would have to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.console.claims_at import MISSING, Found, holds, mirrored, values_at
from app.console.remedies import Place
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyKind
from app.trust.policy_conditions import (
    FAILS,
    HOLDS,
    Comparison,
    Condition,
    Literal,
    Path,
    Reference,
)

# An event log has hundreds of values; to offer them all would be no advice.
MOST_VALUES = 16


@dataclass(frozen=True, slots=True)
class Compared:
    """A claim beside what it is compared with; the claim is on the left."""

    operator: str
    path: Path
    other: Reference | Literal | None
    found: list[Found]

    @property
    def literal(self) -> JSONValue:
        """The value in the policy's own text; ``None`` without one."""
        return self.other.value if isinstance(self.other, Literal) else None

    def unmet_by(self, expected: JSONValue) -> list[Found]:
        """Values that do not compare as the condition asks; none where they are too many."""
        unmet = [found for found in self.found if not holds(self.operator, found.value, expected)]
        return unmet if len(unmet) <= MOST_VALUES else []

    def wanted(self, expected: JSONValue) -> JSONValue:
        """What the claim would have to be; ``None`` when that cannot be told."""
        if self.operator == HOLDS:
            return True
        if self.operator == FAILS:
            return False
        if self.operator == "in" and isinstance(expected, list) and expected:
            return self._nearest(expected)
        return expected if self.operator in ("==", ">=", "<=") else None

    def _nearest(self, expected: list[JSONValue]) -> JSONValue:
        """Of several good values the least that is newer, where values are versions."""
        actual = plain(self.found)
        newer = [value for value in expected if holds(">", value, actual)]
        return min(newer) if newer else expected[0]


def compared_claims(condition: Condition, documents: JSONObject) -> Iterator[Compared]:
    """The claims that a condition compares; documents go by the root of paths, as ``input``."""
    for comparison in condition.comparisons:
        oriented = _oriented(comparison)
        if oriented is not None and isinstance(oriented.left, Path):
            path, other = oriented.left, oriented.right
            found = values_at(documents.get(path.root), path.steps)
            if other is None or isinstance(other, Reference | Literal):
                yield Compared(oriented.operator, path, other, found)


def _oriented(comparison: Comparison) -> Comparison | None:
    """The comparison with its claim on the left; ``None`` when it does not compare one."""
    if isinstance(comparison.left, Path):
        return comparison
    operator = mirrored(comparison.operator)
    if operator is None or not isinstance(comparison.right, Path):
        return None
    return Comparison(operator, comparison.right, comparison.left)


def plain(found: list[Found]) -> JSONValue:
    """The one value, or all of them; ``None`` for what is not there."""
    values = [None if each.value is MISSING else each.value for each in found]
    distinct = [value for index, value in enumerate(values) if value not in values[:index]]
    return distinct[0] if len(distinct) == 1 else distinct or None


def first_read(condition: Condition) -> str:
    """A path that the condition reads, the same one each time; ``""`` when it reads none."""
    return min((str(path) for path in condition.reads), default="")


def place_of(kind: PolicyKind, policy_id: str, condition: Condition) -> Place:
    """Where a condition stands."""
    return Place(kind, policy_id, condition.line, condition.text, condition.rule)
