"""What the source of a policy tells: what it calls, what stands behind it, what it depends on."""

from __future__ import annotations

import pytest
import regorus

from app.trust.errors import MalformedPolicyError
from app.trust.rego_source import Position, RegoSource


def source(text: str) -> RegoSource:
    """The source of a policy in package ``policy``; its first line is the third."""
    engine = regorus.Engine()
    engine.add_policy("p.rego", f"package policy\nimport rego.v1\n{text}")
    return RegoSource(engine.get_ast_as_json(), "policy")


CYCLES = [
    "f(a) := f(a)",
    "f(a) := b if b := f(a)",
    "f(a) := [f(b) | some b in a]",
    "f(a) := g(a)\ng(a) := h(a)\nh(a) := f(a)",
    "f(a) := data.policy.g(a)\ng(a) := f(a)",
    'f(a) := data["policy"].f(a)',
    "f(a) := 1 if a == 1\nf(a) := f(a - 1) if a > 1",
    "f(a) := x if a\nx := f(1)",
]


@pytest.mark.parametrize("text", CYCLES)
def test_refuses_functions_that_end_in_themselves(text: str) -> None:
    """The engine would run to the end of the stack, which ends the process."""
    with pytest.raises(MalformedPolicyError):
        source(text).check_chains()


def test_refuses_a_long_chain_whatever_its_order() -> None:
    """Each rule that stands behind another takes stack."""
    links = [f"y{n} := y{n + 1}" for n in range(250)] + ["y250 := 1"]
    for text in ("\n".join(links), "\n".join(reversed(links))):
        with pytest.raises(MalformedPolicyError):
            source(text).check_chains()


@pytest.mark.parametrize(
    "text",
    [
        "f(a) := a\ng(a) := f(f(a))\nx := g(f(1))",
        "f(a) := a\nx := f(1)\ny := f(2)\nz := x + y",
        "x := 1 if y\ny := 2 if z\nz := input.x",
        "a(x) := b(x) + c(x)\nb(x) := d(x)\nc(x) := d(x)\nd(x) := x",
    ],
)
def test_takes_what_comes_to_an_end(text: str) -> None:
    """Using a function twice is no cycle, nor is a member that is called like a rule."""
    source(text).check_chains()


def test_knows_foreign_calls() -> None:
    """With the place of the first of each."""
    found = source("f(a) := a\nx := f(count(regex.split(`a`, input.b)))\ny := count([])")
    assert found.foreign_calls() == {
        "count": Position(4, 8),
        "regex.split": Position(4, 19),
    }


@pytest.mark.parametrize(
    ("text", "depends"),
    [
        ("x := 1", False),
        ("x := y\ny := 2", False),
        ("x := input.a", True),
        ("x := y\ny := z\nz := input.a", True),
        ("x := f(1)\nf(a) := input[a]", True),
        ('x := query_reference_value("a")', True),
        ("x := data.plugin", True),
        ("x := y\ny := x", False),
    ],
)
def test_knows_what_depends_on_the_input(text: str, *, depends: bool) -> None:
    """Itself, or by any rule behind it."""
    assert source(text).depends_on_input(3) is depends


def test_a_line_of_no_rule_is_taken_to_depend() -> None:
    """What is not known is not blamed on the policy."""
    assert source("x := 1").depends_on_input(1)
