"""Which reference values a policy reads, told by its source alone."""

from __future__ import annotations

import re

import pytest

from app.attestation.policies import DEFAULT_POLICY_IDS, default_policy
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

ENGINE = RegorusEngine()


def names(body: str) -> tuple[set[str], bool]:
    """The names, and whether they are all."""
    text = f"package policy\nimport rego.v1\n{body}\n"
    found = ENGINE.reference_names(PolicyText.of("p.rego", text))
    return set(found.names), found.is_complete


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("a := 1", set()),
        ('a := query_reference_value("x")', {"x"}),
        ("a := query_reference_value(`x`)", {"x"}),
        ('a if input.b in query_reference_value("x")', {"x"}),
        ('f(n) := query_reference_value(n)\na := f("x")\nb := f("y")', {"x", "y"}),
        ('f(v, n) if v in query_reference_value(n)\ng(n) if f(1, n)\na if g("x")', {"x"}),
        ('g(n) if f(1, n)\nf(v, n) if v in query_reference_value(n)\na if g("x")', {"x"}),
        ('name := "x"\na := query_reference_value(name)', {"x"}),
        ('a if { n := "x"; query_reference_value(n) }', {"x"}),
        ('a if { some n in ["x", "y"]; query_reference_value(n) }', {"x", "y"}),
        ('a := [q | q := query_reference_value("x")]', {"x"}),
        ('a if input.b in data.reference.x\nb := data.reference["y"]', {"x", "y"}),
        ('a := data.other.x\nb := "z"', set()),
        ('f(n) := query_reference_value(n)\na := upper("x")', set()),
    ],
)
def test_names_are_followed(body: str, found: set[str]) -> None:
    """Through functions in any order, names of rules, local names and lists."""
    assert names(body) == (found, True)


@pytest.mark.parametrize(
    "body",
    [
        "a := query_reference_value(input.name)",
        'a := query_reference_value(concat("", ["x", input.y]))',
        "f(n) := query_reference_value(n)\na := f(input.n)",
        'a if { n := upper("x"); query_reference_value(n) }',
        "a if { some n in input.names; query_reference_value(n) }",
        'n := "x" if input.a\nn := input.b if input.c\na := query_reference_value(n)',
    ],
)
def test_what_is_computed_is_told(body: str) -> None:
    """Then the names are not all of them."""
    assert names(body)[1] is False


@pytest.mark.parametrize("policy_id", DEFAULT_POLICY_IDS)
def test_the_default_policies_tell_all_they_read(policy_id: str) -> None:
    """Every quoted name in a comparison, and nothing computed."""
    text = default_policy(policy_id)
    found = ENGINE.reference_names(PolicyText.of("p.rego", text))
    pattern = (
        r'(?:listed|equals|at_least|unopposed|query_reference_value)\((?:[^()\n]*, )?"(\w+)"\)'
    )
    assert found.names >= set(re.findall(pattern, text))
    assert found.is_complete
