"""Texts that would hang the engine or end the process are refused before it reads them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trust.errors import MalformedPolicyError
from app.trust.rego_limits import (
    MAX_LINES,
    MAX_NESTING,
    MAX_OPERATORS,
    MAX_POLICY_BYTES,
    check_limits,
)

# Each doubles the engine's work with every level, or takes a level of its stack with every step.
REFUSED = {
    "arrays": "x := " + "[" * 30,
    "objects": "x := " + '{"a": ' * 30,
    "many arrays of some depth": ("x := " + "[" * 8 + "]" * 8 + "\n") * 100,
    "parentheses": "x := " + "(" * (MAX_NESTING + 1),
    "calls": "x := " + "abs(" * (MAX_NESTING + 1),
    "sums": "x := 1" + "+1" * MAX_OPERATORS,
    "sums on lines": "x := 1" + "\n+\n1" * MAX_OPERATORS,
    "memberships": "x := 1" + " in y" * MAX_OPERATORS,
    "references": "x := input" + "[0]" * MAX_OPERATORS,
    "references with line ends": "x := input" + "[\n0\n]" * MAX_OPERATORS,
    "overrides": "x := y" + " with input as z" * MAX_OPERATORS,
    "lines": "\n" * MAX_LINES,
    "bytes": "é" * (MAX_POLICY_BYTES // 2 + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    """By tokens alone, in time that grows with the length of the text only."""
    with pytest.raises(MalformedPolicyError):
        check_limits("p.rego", REFUSED[name])


TAKEN = {
    "many rules": "x := [1, {2}]\n" * (MAX_LINES - 1),
    "many statements": "x if {" + "\n a == 1" * 1000 + "}",
    "many members": "x := [" + "1 + 1, " * 1000 + "]",
    "many alternatives": "x := 1" + "\nelse := 2 if a == 1" * 1000,
    "brackets in texts": 'x := "' + "[" * 100 + '"',
    "brackets in escaped texts": r'x := "\"' + "[" * 100 + '"',
    "brackets in raw texts": "x := `" + "[\n" * 100 + "`",
    "brackets in comments": "# " + "{" * 100,
    "closing brackets alone": "]" * 100,
}


@pytest.mark.parametrize("name", TAKEN)
def test_takes(name: str) -> None:
    """What is long without being deep, and what only looks like depth."""
    check_limits("p.rego", TAKEN[name])


def test_tells_the_place() -> None:
    """Lines of raw texts count too."""
    with pytest.raises(MalformedPolicyError) as caught:
        check_limits("p.rego", "x := `\n\n`\ny := " + "(" * (MAX_NESTING + 1))
    assert (caught.value.line, caught.value.column) == (4, 6 + MAX_NESTING)


@given(st.text(alphabet='[]{}()"`#\n\\ax1+,;=:.é in', max_size=300))
def test_no_text_makes_it_crash(text: str) -> None:
    """It is taken or refused."""
    with contextlib.suppress(MalformedPolicyError):
        check_limits("p.rego", text)
