"""The policy engine: what it refuses to take, what it answers, and that it fails closed."""

from __future__ import annotations

import threading

import pytest

from app.trust.errors import MalformedPolicyError, PolicyFailedError, StoreUnavailableError
from app.trust.policy_engine import UNDEFINED, PolicyText
from app.trust.regorus_engine import RegorusEngine

HEAD = "package policy\nimport rego.v1\n"


@pytest.fixture(scope="module")
def engine() -> RegorusEngine:
    """An engine with an empty cache."""
    return RegorusEngine()


def policy(text: str) -> PolicyText:
    """The text as a policy in package ``policy``."""
    return PolicyText.of("p.rego", HEAD + text)


REFUSED = {
    "an open brace": ("x := { a", 3, 9),
    "no such rule": ("y := 1", None, None),
    "a function in the place of the rule": ("x(a) := a", None, None),
    "an undefined variable": ("x if z > 1", 3, 6),
    "an undefined variable elsewhere": ("x := 1\ny if z > 1", 4, 6),
    "an unknown function that is called": ("x := foo(1)", 3, 6),
    "an unknown function that no empty input calls": ("x := foo(1) if input.a", 3, 6),
    "a rule that depends on itself": ("x := y\ny := x", 3, 1),
    "a function that calls itself": ("f(a) := f(a + 1)\nx := f(1)", 3, 1),
    "functions that call each other": ("f(a) := g(a)\ng(a) := f(a)\nx := f(1)", 3, 1),
    "a function that calls itself by its path": ("f(a) := data.policy.f(a)\nx := f(1)", 3, 1),
    "two values for one rule": ("x := 1\nx := 2", 4, 1),
    "division by zero": ("x := 1 / 0", 3, 8),
    "a wrong number of arguments": ("x := abs()", 3, 9),
    "a wrong type of argument": ('x := 1 + "a"', 3, 11),
    "Rego of before version 1": ("x { true }", 3, 3),
    "a chain of rules": (
        "".join(f"y{n} := y{n + 1}\n" for n in range(300)) + "y300 := 1\nx := y0",
        3,
        1,
    ),
    "deep arrays": ("x := " + "[" * 20 + "]" * 20, 3, 19),
    "deep parentheses": ("x := " + "(" * 40 + "1" + ")" * 40, 3, 30),
    "a long expression": ("x := 1" + " + 1" * 300, 3, 260),
    "a long expression on many lines": ("x := 1" + "\n + 1" * 300, 67, 2),
    "many lines": ("x := 1" + "\n" * 6000, 5000, 1),
    "a long line": ("x := 1" + " " * 2000 + "+ 1", 3, 1000),
    "a large text": ("x := 1\n" + "#\n" * 200_000, None, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_a_policy_that_cannot_serve(engine: RegorusEngine, name: str) -> None:
    """Each fault is found when the policy is set, with its place where there is one."""
    text, line, column = REFUSED[name]
    with pytest.raises(MalformedPolicyError) as caught:
        engine.check(policy(text), rules=("x",), reference_values=False)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "backtrace" not in str(caught.value)


def test_takes_the_imports_of_older_policies(engine: RegorusEngine) -> None:
    """Policies written for Trustee begin with either import."""
    old = "package policy\nimport future.keywords.if\nimport future.keywords.in\nx if 1 in [1]"
    engine.check(PolicyText.of("p.rego", old), rules=("x",), reference_values=True)


def test_refuses_another_package(engine: RegorusEngine) -> None:
    """A rule in another package would never be asked."""
    with pytest.raises(MalformedPolicyError, match="package"):
        engine.check(
            PolicyText.of("p.rego", "package other\nx := 1"), rules=("x",), reference_values=False
        )


def test_refuses_reference_values_where_there_are_none(engine: RegorusEngine) -> None:
    """A resource policy has no reference values to ask for."""
    text = policy('x := query_reference_value("a")')
    engine.check(text, rules=("x",), reference_values=True)
    with pytest.raises(MalformedPolicyError, match="query_reference_value"):
        engine.check(text, rules=("x",), reference_values=False)


TAKEN = {
    "needs a number of the input": "x := 1 + input.a",
    "divides by the input": "x := 1 / input.a",
    "a conflict by way of another rule": "y := input.a\nx := 1 if not y\nx := 2 if not z\nz := y",
    "two rules that hold only for an empty input": "x := 1 if not input.a\nx := 2 if not input.b",
    "prints": 'x := 1 if print("a", input)',
    "a function": "f(a) := a + 1\nx := f(1)",
    "a function by its path": "f(a) := a + 1\nx := data.policy.f(1)",
    "a regular expression": "x if regex.match(`^a+$`, input.a)",
    "an else": "x := 1 if { input.a } else := 2 if { input.b } else := 3",
    "partial rules": "x contains y if some y in input.a",
    "a computed member": "x[y] := 1 if some y in input.a",
    "brackets in texts": 'x := "' + "[" * 100 + '"',
    "brackets in comments": "x := 1 # " + "{" * 100,
    "many statements": "x if {\n" + "input.a == 1\n" * 500 + "}",
}


@pytest.mark.parametrize("name", TAKEN)
def test_takes_what_only_an_empty_input_breaks(engine: RegorusEngine, name: str) -> None:
    """A policy is tried out with an empty input; that it then fails or says nothing is no fault."""
    engine.check(policy(TAKEN[name]), rules=("x",), reference_values=True)


def test_refuses_what_is_no_unicode_text() -> None:
    """A lone surrogate has no digest, and no engine reads it."""
    with pytest.raises(MalformedPolicyError):
        policy('x := "\ud800"')


VALUES = {
    "x := 2": 2,
    "x := 4 / 2": 2,
    "x := 2.5": 2.5,
    "x := input.n": 9007199254740993,
    "x := true": True,
    "x := null": None,
    'x := {"a": [1, {"b": null}]}': {"a": [1, {"b": None}]},
    'x := {"b", "a"}': ["a", "b"],
    'x := "<undefined>"': "<undefined>",
    "x := input.missing": UNDEFINED,
    "y := 1": UNDEFINED,
    "x := data.plugin": "resource",
    "x := data.policy.y\ny := 7": 7,
}


@pytest.mark.parametrize("text", VALUES)
def test_gives_values_as_json_has_them(engine: RegorusEngine, text: str) -> None:
    """Integers stay integers, sets become lists, and undefined is told from every value."""
    found = engine.evaluate(
        policy(text), ("x",), {"n": 9007199254740993}, data={"plugin": "resource"}
    )["x"]
    assert found is VALUES[text] or found == VALUES[text]
    assert type(found) is type(VALUES[text])


def test_data_cannot_take_the_place_of_rules(engine: RegorusEngine) -> None:
    """The engine would prefer data under the policy's name to the policy's own rules."""
    with pytest.raises(AssertionError):
        engine.evaluate(policy("x := false"), ("x",), {}, data={"policy": {"x": True}})


def test_looks_reference_values_up(engine: RegorusEngine) -> None:
    """Each evaluation asks its own look-up, though the compiled policy is the same."""
    text = policy('x if input.a in query_reference_value("a")\ny := query_reference_value("b")')
    for value in ("one", "two"):
        lookup = {"a": [value], "b": {"n": 3}}.get
        found = engine.evaluate(text, ("x", "y"), {"a": "one"}, lookup=lookup)
        assert found == {"x": True if value == "one" else UNDEFINED, "y": {"n": 3}}


def test_a_missing_reference_value_is_null(engine: RegorusEngine) -> None:
    """``null`` contains nothing and equals nothing that evidence has."""
    text = policy('x if "a" in query_reference_value("a")\ny := query_reference_value("a")')
    found = engine.evaluate(text, ("x", "y"), {}, lookup=lambda _: None)
    assert found == {"x": UNDEFINED, "y": None}


def test_fails_when_a_look_up_fails(engine: RegorusEngine) -> None:
    """Even where the policy would make nothing of the failure."""
    text = policy('x if not query_reference_value("a")')

    def broken(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(PolicyFailedError) as caught:
        engine.evaluate(text, ("x",), {}, lookup=broken)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_outage_of_the_store_stays_one(engine: RegorusEngine) -> None:
    """That the database is down is not the policy's fault, and trying again may help."""
    text = policy('x := query_reference_value("a")')

    def down(name: str) -> None:
        raise StoreUnavailableError("the database is out of reach")

    with pytest.raises(StoreUnavailableError):
        engine.evaluate(text, ("x",), {}, lookup=down)


FAILING = {
    "a type that does not fit": "x := input.secret + 1",
    "a conflict": "x := 1 if input.secret\nx := 2 if input.secret",
    "does not compile": "x := {",
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_policy_tells_no_claims(engine: RegorusEngine, name: str) -> None:
    """The engine quotes values in its complaints; they reach neither message nor cause."""
    with pytest.raises(PolicyFailedError) as caught:
        engine.evaluate(policy(FAILING[name]), ("x",), {"secret": "canary"})
    assert "canary" not in repr(caught.value)
    assert caught.value.__suppress_context__
    assert "canary" not in repr(caught.value.__cause__)


def test_an_input_that_json_cannot_say_fails(engine: RegorusEngine) -> None:
    """The engine reads JSON, and a lone surrogate is none."""
    with pytest.raises(PolicyFailedError):
        engine.evaluate(policy("x := input"), ("x",), {"a": "\ud800"})


def test_threads_do_not_share_engines(engine: RegorusEngine) -> None:
    """An engine of the library panics in another thread than its own."""
    found: list[object] = []
    text = policy("x := input.n + 1")

    def run() -> None:
        found.extend(engine.evaluate(text, ("x",), {"n": n})["x"] for n in range(20))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == sorted([*range(1, 21)] * 4, key=str)


def test_forgets_the_policy_used_longest_ago(engine: RegorusEngine) -> None:
    """What a thread keeps compiled is bounded."""
    for n in range(200):
        assert engine.evaluate(policy(f"x := {n}"), ("x",), {}) == {"x": n}
    assert len(engine._cache.compiled) == 128


def test_coverage_tells_which_lines_held(engine: RegorusEngine) -> None:
    """The explanation of a denial stands on it."""
    text = policy('default x := false\nx if {\n\tinput.a == 1\n\tinput.b == 2\n\tdata.c == "d"\n}')
    found = engine.coverage(text, "x", {"a": 1, "b": 3}, data={"c": "d"})
    assert {5, 6} <= found.covered
    assert 7 in found.not_covered


MEMBERS = {
    "x := {}": [],
    'x := {"a": 1, "b": input.c}': [("a", 1), ("b", UNDEFINED)],
    'x := {"a": y}\ndefault y := 3\ny := 300 if input.a': [("a", 3), ("a", 300)],
    "x := y\ny := {input.a: 1}": [(UNDEFINED, 1)],
    "x.a := 1\nx.b := true if input.b": [("a", 1), ("b", True)],
    'x["a"] := 1 if input.b else := 2 if input.c': [("a", 1), ("a", 2)],
    "x[k] := 7 if some k in input.c": [(UNDEFINED, 7)],
    'x := {"a": f(1)}\nf(a) := 3': [("a", UNDEFINED)],
    'x := {"a": y.z}\ny.z := 3': [("a", UNDEFINED)],
    'x := {"a": x.b}': [("a", UNDEFINED)],
    'x := {"a": y}\ny := x': [("a", UNDEFINED)],
    'x := {"a": y}\ny if input.a': [("a", True)],
    'x := object.union({"a": 1}, input)': [],
}


@pytest.mark.parametrize("text", MEMBERS)
def test_reads_what_a_rule_may_yield_from_its_source(engine: RegorusEngine, text: str) -> None:
    """Literal members are followed through rules; what only an evaluation tells is undefined."""
    found = [(m.name, m.value) for m in engine.literal_members(policy(text), "x")]
    assert found == MEMBERS[text]


def test_a_closed_engine_can_be_dropped_by_any_thread() -> None:
    """The library leaks what another thread drops than the one that compiled it."""
    engine = RegorusEngine()
    engine.evaluate(policy("x := 1"), ("x",), {})
    engine.close()
    engines = [engine]
    del engine
    dropping = threading.Thread(target=engines.clear)
    dropping.start()
    dropping.join()
    assert engines == []
