"""Constructs of Rego that policies written for Trustee use, by two independent engines."""

from __future__ import annotations

from typing import Any

import pytest
from policy_engines import agreed

from app.trust.policy_engine import UNDEFINED

INPUT = {
    "n": 7,
    "text": "abc",
    "flag": True,
    "nothing": None,
    "list": [3, 1, 2],
    "object": {"a": 1, "b": {"c": [1, 2]}},
}
VALUES = {"numbers": [1, 2, 3], "one": 1, "texts": ["abc"], "flag": True, "object": {"a": 1}}

CASES: dict[str, tuple[str, Any]] = {
    "a literal": ("x := 1", 1),
    "a default": ("default x := 1\nx := 2 if input.missing", 1),
    "a body": ("x := 2 if input.n == 7", 2),
    "else": ("x := 1 if input.n > 7 else := 2 if input.n > 6 else := 3", 2),
    "undefined": ("x := input.missing", UNDEFINED),
    "false is not undefined": ("x := input.n == 8", False),
    "negation of undefined": ("x if not input.missing", True),
    "negation of false": ("x if not input.n == 8", True),
    "null is defined": ("x := input.nothing == null", True),
    "membership": ("x if 2 in input.list", True),
    "membership in a null": ("default x := false\nx if 2 in input.nothing", False),
    "membership in a text": ('default x := false\nx if "a" in input.text', False),
    "iteration": ("x if { some i in input.list; i == 3 }", True),
    "iteration with a key": ("x := [k | some k; input.object[k]]", ["a", "b"]),
    "old iteration": ("x if { input.list[_] == 3 }", True),
    "every": ("x if { every i in input.list { i > 0 } }", True),
    "every of nothing": ("x if { every i in [] { i > 0 } }", True),
    "an array comprehension": ("x := [n | some i in input.list; n := i * 2]", [6, 2, 4]),
    "a set comprehension": ("x := {n | some i in input.list; n := i % 2}", [0, 1]),
    "an object comprehension": ("x := {i: true | some i in [input.text]}", {"abc": True}),
    "a partial set": ("x contains i if some i in input.list", [1, 2, 3]),
    "a partial object": ("x[k] := v if some k, v in {input.text: 1}", {"abc": 1}),
    "a function": ("f(a) := a + 1\nx := f(input.n)", 8),
    "a function of many forms": ('f("a") := 1\nf("abc") := 2\nx := f(input.text)', 2),
    "a function of nothing": ("f(a) if a\ndefault x := 0\nx := 1 if f(input.missing)", 0),
    "numbers are ordered": ("x := [1 < 2, 2 >= 2, -1 < 0]", [True, True, True]),
    "integers stay integers": ("x := 2 * 3", 6),
    "division": ("x := 7 / 2", 3.5),
    "texts": ('x := [startswith(input.text, "ab"), upper(input.text)]', [True, "ABC"]),
    "regular expressions": ("x if regex.match(`^a.c$`, input.text)", True),
    "splitting": ('x := split("a/b/c", "/")', ["a", "b", "c"]),
    "counting": ("x := count(input.list)", 3),
    "sums": ("x := sum(input.list)", 6),
    "sorting": ("x := sort(input.list)", [1, 2, 3]),
    "nested references": ("x := input.object.b.c[1]", 2),
    "a computed reference": ('k := "object"\nx := input[k].a', 1),
    "object.get": ('x := object.get(input, ["object", "zzz"], 9)', 9),
    "object.get of null": ('x := object.get(input, ["nothing", "a"], 9)', 9),
    "a rule in data": ("y := 4\nx := data.policy.y", 4),
    "types": ("x := [is_number(input.n), is_null(input.nothing)]", [True, True]),
    "with": ('y := input.a\nx := z if { z := y with input as {"a": 5} }', 5),
    "a listed value": ('x if 2 in query_reference_value("numbers")', True),
    "an unlisted value": ('default x := 0\nx := 1 if 4 in query_reference_value("numbers")', 0),
    "a value that is not there": ('x := query_reference_value("none")', None),
    "in what is not there": ('default x := 0\nx := 1 if 4 in query_reference_value("none")', 0),
    "an equal value": ('x := query_reference_value("one") == 1', True),
    "an object of values": ('x := query_reference_value("object").a', 1),
    "a chosen value": ('n := concat("", ["tex", "ts"])\nx := query_reference_value(n)', ["abc"]),
}


@pytest.mark.parametrize("name", CASES)
def test_both_engines_agree(name: str) -> None:
    """And the value is the one that the language has it be."""
    text, expected = CASES[name]
    found = agreed(f"package policy\nimport rego.v1\n{text}\n", "x", INPUT, values=VALUES)
    assert found is expected or found == expected
