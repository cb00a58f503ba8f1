"""The conditions of a rule, and what each compares: through names, functions, loops and quotes."""

from __future__ import annotations

import pytest

from app.trust.errors import MalformedPolicyError
from app.trust.policy_conditions import Condition, Derived, Literal, Path, Reference, Term
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

LISTED = "listed(value, name) if value in query_reference_value(name)\n"


def conditions(text: str, rule: str = "allow") -> list[Condition]:
    """The conditions of a rule in a policy."""
    source = f"package policy\nimport rego.v1\n{text}"
    found = list(RegorusEngine().conditions(PolicyText.of("p.rego", source), rule))
    for each in found:
        assert source.encode()[each.start : each.end].decode() == each.text
    return found


def shown(term: Term) -> object:
    """A term in short."""
    if isinstance(term, Path):
        return str(term)
    if isinstance(term, Reference):
        return f"<{term.name}>"
    return term.value if isinstance(term, Literal) else term


def compared(text: str, rule: str = "allow") -> list[tuple[object, ...]]:
    """What is compared, in short."""
    return [
        (each.operator, shown(each.left), shown(each.right))
        for condition in conditions(text, rule)
        for each in condition.comparisons
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('input.a == "x"', ("==", "input.a", "x")),
        ("input.a.b >= -2", (">=", "input.a.b", -2)),
        ('input["a-b"]["c.d"] != null', ("!=", 'input["a-b"]["c.d"]', None)),
        ('data["resource-path"][0] in {"a", "b"}', ("in", 'data["resource-path"][0]', ["a", "b"])),
        ("input.secboot", ("holds", "input.secboot", None)),
        ("not input.debug", ("fails", "input.debug", None)),
        ("not input.x == 3", ("!=", "input.x", 3)),
        ('not input.x in ["a"]', ("not in", "input.x", ["a"])),
        ('input.m in query_reference_value("ms")', ("in", "input.m", "<ms>")),
        ('v := query_reference_value("least")\n input.n >= v', (">=", "input.n", "<least>")),
        ("some x in input.l\n x.ok == true", ("==", "input.l[*].ok", True)),
        ("every _, s in input.l { s.ok == true }", ("==", "input.l[*].ok", True)),
        ("input.l[_].ok == true", ("==", "input.l[*].ok", True)),
        ('listed(input.m, "ms")', ("in", "input.m", "<ms>")),
        ('c := input.c\n listed(c["x-y"], "ms")', ("in", 'input.c["x-y"]', "<ms>")),
    ],
)
def test_what_is_compared(body: str, expected: tuple[object, ...]) -> None:
    """One comparison, however the policy writes it."""
    assert compared(f"allow if {{\n {body}\n}}\n{LISTED}") == [expected]


def test_rules_are_followed_to_where_they_ask() -> None:
    """What stands behind a rule, a value and an alias is asked for there."""
    text = """
        allow := x
        x := 2 if closed
        else := 3 if tee.c == 1
        closed if tee.b == false
        tee := input.snp
    """
    assert compared(text) == [("==", "input.snp.b", False), ("==", "input.snp.c", 1)]


def test_functions_without_reference_values_are_opened() -> None:
    """Their conditions are told one by one, with the arguments put in."""
    text = 'allow if good(input.chain)\ngood(c) if {\n c.status == "valid"\n c.ocsp == "good"\n}'
    found = conditions(text)
    assert [(each.rule, each.text) for each in found] == [
        ("good", 'c.status == "valid"'),
        ("good", 'c.ocsp == "good"'),
    ]
    assert [str(path) for each in found for path in each.reads] == [
        "input.chain.status",
        "input.chain.ocsp",
    ]


def test_a_key_and_its_value_belong_together() -> None:
    """Each value is compared with the part of the reference value that has its key."""
    (condition,) = conditions(
        'allow if every i, v in input.ms { v in query_reference_value("all")[i] }'
    )
    (comparison,) = condition.comparisons
    assert isinstance(comparison.left, Path)
    assert isinstance(comparison.right, Reference)
    assert comparison.left.steps[-1] == comparison.right.steps[0]


def test_what_is_computed_names_its_claims() -> None:
    """A digit of a claim is no claim, and says which one it is of."""
    (condition,) = conditions('allow if {\n d := substring(input.f, 1, 1)\n d in {"0"}\n}')
    assert condition.comparisons[0].left == Derived(frozenset({Path("input", ("f",))}))
    assert condition.reads == {Path("input", ("f",))}


def test_what_is_not_understood_is_a_condition_all_the_same() -> None:
    """Its text is told, and nothing is concluded."""
    (condition,) = conditions('allow if startswith(input.name, "a")')
    assert (condition.text, condition.comparisons) == ('startswith(input.name, "a")', ())
    assert condition.reads == {Path("input", ("name",))}


def test_places_are_right_beside_quotes_and_other_alphabets() -> None:
    """The engine leaves quotes out of its places, and counts bytes."""
    first, second = conditions('# ünï\nallow if {\n "ä" == input.x; input.y == `z"`\n}')
    assert first.text == '"ä" == input.x'
    assert second.text == 'input.y == `z"`'
    assert second.sides == ("input.y", '`z"`')
    assert first.line == 5


def test_a_rule_that_is_not_there_asks_for_nothing() -> None:
    """No rule, no conditions."""
    assert conditions("allow if input.a", rule="other") == []


def test_a_policy_that_does_not_parse_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(MalformedPolicyError):
        conditions("allow if {")
