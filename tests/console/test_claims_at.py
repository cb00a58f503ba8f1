"""Values at the places that conditions name; comparisons come out as in Rego."""

from __future__ import annotations

import json
from typing import Any

import pytest
from policy_engines import by_regorus

from app.console.claims_at import MISSING, holds, mirrored, values_at
from app.trust.policy_conditions import FAILS, HOLDS, Each

VALUES: list[Any] = [1, 0, 2.5, True, False, "1", "b", [1], None]


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "in"])
def test_a_comparison_holds_when_rego_says_so(operator: str) -> None:
    """Of one kind alike; what is of two kinds, and ordered by Rego all the same, never holds."""
    for left in VALUES:
        for right in [*VALUES, [1, "b", True]]:
            rule = f"x if input.l {operator} {json.dumps(right)}"
            text = f"package policy\nimport rego.v1\ndefault x := false\n{rule}"
            if operator == "in" and not isinstance(right, list):
                continue
            told = by_regorus(text, "x", {"l": left})
            ours = holds(operator, left, right)
            orders = operator in ("<", "<=", ">", ">=")
            same_kind = _kind(left) == _kind(right) and _kind(left) in ("number", "text")
            assert ours == (told and (same_kind or not orders)), (left, operator, right)


def test_what_is_there_and_what_is_not() -> None:
    """A missing claim holds for nothing but its absence; only false and missing fail."""
    assert holds(FAILS, MISSING, None)
    assert holds(FAILS, False, None)
    assert not holds(HOLDS, MISSING, None)
    assert holds(HOLDS, 0, None)
    assert not holds("!=", MISSING, 1)
    assert holds("not in", "c", ["a"])


def test_every_element_is_found_with_its_key() -> None:
    """Through lists and objects alike; a path without elements that leads nowhere is missing."""
    document = {"l": [{"n": 1}, {"n": 2}], "o": {"a": 3}}
    found = values_at(document, ("l", Each(7), "n"))
    assert [(each.steps, each.keys, each.value) for each in found] == [
        (("l", 0, "n"), {7: 0}, 1),
        (("l", 1, "n"), {7: 1}, 2),
    ]
    assert [each.keys for each in values_at(document, ("o", Each(1)))] == [{1: "a"}]
    assert values_at(document, ("x", "y"))[0].value is MISSING
    assert values_at(document, ("x", Each(1))) == []
    assert values_at(document, ("l", 5))[0].value is MISSING


def test_sides_can_be_exchanged_where_that_says_the_same() -> None:
    """``2 <= x`` is ``x >= 2``; membership has no mirror."""
    assert (mirrored("<="), mirrored("=="), mirrored("in")) == (">=", "==", None)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "text"}.get(type(value), "other")
