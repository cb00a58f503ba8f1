"""Reads the conditions of a rule from the engine's syntax tree (``app/trust/rego_source.py``).

Every node is an object whose one member names its kind. What is not understood is a condition
without comparisons: its text is shown and nothing is concluded from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from app.trust.json_types import JSONObject
from app.trust.policy_conditions import (
    DATA,
    FAILS,
    HOLDS,
    INPUT,
    Comparison,
    Condition,
    Derived,
    Each,
    Key,
    Literal,
    Path,
    Reference,
    Step,
    Term,
)

_LOOKUP = "query_reference_value"
_OPERATORS = {"Eq": "==", "Ne": "!=", "Lt": "<", "Le": "<=", "Gt": ">", "Ge": ">="}
_CONTRARY = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    HOLDS: FAILS,
    FAILS: HOLDS,
}
_VALUES = frozenset({"Number", "String", "RawString", "Bool", "Null"})
_QUOTES, _BACKSLASH = b'"`', 0x5C
# Deeper nesting is refused when a policy is set (MAX_RULE_CHAIN).
_MAX_DEPTH = 50

Names = dict[str, Term]


def read_conditions(tree: str, source: str, rule: str) -> tuple[Condition, ...]:
    """The conditions that a rule stands on, in the order of their evaluation.

    Args:
        tree: the engine's syntax tree of one policy, JSON.
        source: the text of the policy.
        rule: the name of the rule.
    """
    module = json.loads(tree)[0]["ast"]
    reader = _Reader(source.encode())
    for node in module["rules"]:
        reader.note(node)
    return tuple(reader.conditions_of(rule))


@dataclass(slots=True)
class _Reader:
    """The rules of a policy by name, and where the reading stands."""

    source: bytes
    definitions: dict[str, list[JSONObject]] = field(default_factory=dict)
    visited: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def note(self, node: JSONObject) -> None:
        """Remember a definition; defaults have no conditions."""
        if "Spec" not in node:
            return
        _, head = _only(node["Spec"]["head"])
        refr = head["refr"]
        while "Var" not in refr:
            refr = _only(refr)[1]["refr"]
        self.definitions.setdefault(refr["Var"]["value"], []).append(node["Spec"])

    def conditions_of(self, rule: str, depth: int = 0) -> Iterator[Condition]:
        """Those of every definition of a rule without arguments, once."""
        if rule in self.visited or depth > _MAX_DEPTH:
            return
        self.visited.add(rule)
        for spec in self.definitions.get(rule, ()):
            if _parameters(spec) is None:
                yield from self._of_definition(rule, spec, {}, depth)

    def _of_definition(
        self, rule: str, spec: JSONObject, names: Names, depth: int
    ) -> Iterator[Condition]:
        _, head = _only(spec["head"])
        own = dict(names)
        for body in spec["bodies"]:
            own = dict(names)
            yield from self._of_query(rule, body["query"], own, depth)
            if body["assign"]:
                yield from self._behind(body["assign"]["value"], depth)
        if head.get("assign"):
            yield from self._behind(head["assign"]["value"], depth)

    def _behind(self, expression: JSONObject, depth: int) -> Iterator[Condition]:
        """Those of the rules that a value is made of."""
        for node in _walk(expression):
            if "Var" in node and node["Var"]["value"] in self.definitions:
                yield from self.conditions_of(node["Var"]["value"], depth + 1)

    def _of_query(
        self, rule: str, query: JSONObject, names: Names, depth: int
    ) -> Iterator[Condition]:
        for statement in query["stmts"]:
            kind, body = _only(statement["literal"])
            if kind == "SomeIn":
                self._bind(body["key"], body["value"], body["collection"], names)
            elif kind == "Every":
                inner, domain = dict(names), self._term(body["domain"], names)
                self._bind_every(self._word(body["key"]), self._word(body["value"]), domain, inner)
                yield from self._of_query(rule, body["query"], inner, depth)
            elif kind == "NotExpr":
                made = self._condition(rule, body, body["expr"], names, depth)
                yield replace(made, comparisons=tuple(map(_contrary, made.comparisons)), sides=None)
            elif kind == "Expr":
                yield from self._of_expression(rule, body, names, depth)

    def _of_expression(
        self, rule: str, body: JSONObject, names: Names, depth: int
    ) -> Iterator[Condition]:
        kind, node = _only(body["expr"])
        if kind == "AssignExpr" and "Var" in node["lhs"]:
            names[node["lhs"]["Var"]["value"]] = self._term(node["rhs"], names)
            yield from self._behind(node["rhs"], depth)
            return
        if kind == "Var" and node["value"] in self.definitions:
            yield from self.conditions_of(node["value"], depth + 1)
            return
        if kind == "Call" and _called(node) in self.definitions and depth < _MAX_DEPTH:
            inner = list(self._of_call(node, names, depth))
            if not any(_reads_reference(each) for each in inner):
                # What the function asks for are conditions of their own.
                yield from inner
                return
        yield self._condition(rule, body, body["expr"], names, depth)
        yield from self._behind(body["expr"], depth)

    def _of_call(self, call: JSONObject, names: Names, depth: int) -> Iterator[Condition]:
        """The conditions of a function, with its arguments put in."""
        name = _called(call)
        arguments = [self._term(each, names) for each in call["params"]]
        for spec in self.definitions[name]:
            own = {
                each["Var"]["value"]: value
                for each, value in zip(_parameters(spec) or (), arguments, strict=False)
                if "Var" in each
            }
            yield from self._of_definition(name, spec, own, depth + 1)

    def _condition(
        self, rule: str, statement: JSONObject, expression: JSONObject, names: Names, depth: int
    ) -> Condition:
        start, end = self._extent(statement["span"])
        comparisons = tuple(self._comparisons(expression, names, depth))
        return Condition(
            rule=rule,
            line=statement["span"]["line"],
            start=start,
            end=end,
            text=self.source[start:end].decode(),
            comparisons=comparisons,
            sides=self._sides(expression),
            reads=frozenset(self._reads(expression, comparisons, names)),
        )

    def _comparisons(
        self, expression: JSONObject, names: Names, depth: int
    ) -> Iterator[Comparison]:
        kind, node = _only(expression)
        if kind == "BoolExpr" and node["op"] in _OPERATORS:
            left, right = self._term(node["lhs"], names), self._term(node["rhs"], names)
            yield Comparison(_OPERATORS[node["op"]], left, right)
        elif kind == "AssignExpr":
            yield Comparison("==", self._term(node["lhs"], names), self._term(node["rhs"], names))
        elif kind == "Membership":
            value = self._term(node["value"], names)
            yield Comparison("in", value, self._term(node["collection"], names))
        elif kind == "Call" and _called(node) in self.definitions and depth < _MAX_DEPTH:
            for condition in self._of_call(node, names, depth):
                yield from (each for each in condition.comparisons if _tells(each))
        else:
            term = self._term(expression, names)
            if isinstance(term, Path):
                yield Comparison(HOLDS, term)

    def _reads(
        self, expression: JSONObject, comparisons: tuple[Comparison, ...], names: Names
    ) -> Iterator[Path]:
        for comparison in comparisons:
            for term in (comparison.left, comparison.right):
                yield from _paths_of(term)
        yield from self._read_by(expression, names)

    def _read_by(self, expression: JSONObject, names: Names) -> Iterator[Path]:
        # The longest reference is the claim; what stands before its dots is not.
        for node in _outermost_references(expression):
            yield from (each for each in _paths_of(self._term(node, names)) if each.steps)

    def _sides(self, expression: JSONObject) -> tuple[str, str] | None:
        kind, node = _only(expression)
        if kind == "BoolExpr" and node["op"] in _OPERATORS:
            return self._text(node["lhs"]), self._text(node["rhs"])
        if kind == "Membership":
            return self._text(node["value"]), self._text(node["collection"])
        return None

    def _text(self, node: JSONObject) -> str:
        start, end = self._extent(_only(node)[1]["span"])
        return self.source[start:end].decode()

    def _word(self, span: JSONObject | None) -> str | None:
        return None if span is None else self.source[span["start"] : span["end"]].decode()

    def _extent(self, span: JSONObject) -> tuple[int, int]:
        """The engine leaves the quotes of a text out that begins or ends a statement."""
        start, end = span["start"], span["end"]
        if start and self.source[start - 1] in _QUOTES:
            start -= 1
        if _ends_within_text(self.source[start:end]):
            end += 1
        return start, end

    def _bind(
        self, key: JSONObject | None, value: JSONObject, collection: JSONObject, names: Names
    ) -> None:
        """``some key, value in collection``."""
        self._bind_every(
            key["Var"]["value"] if key and "Var" in key else None,
            value["Var"]["value"] if "Var" in value else None,
            self._term(collection, names),
            names,
        )

    def _bind_every(
        self, key: str | None, value: str | None, collection: Term, names: Names
    ) -> None:
        number = next(self.numbers)
        if key is not None:
            names[key] = Key(number)
        if value is not None:
            names[value] = _step_into(collection, Each(number))

    def _term(self, node: JSONObject, names: Names, depth: int = 0) -> Term:
        kind, body = _only(node)
        if kind in _VALUES:
            return Literal(body["value"])
        if kind in ("Array", "Set"):
            return _listed([self._term(each, names, depth) for each in body["items"]])
        if kind == "Var":
            return self._named(body["value"], names, depth)
        if kind == "RefDot":
            return _step_into(self._term(body["refr"], names, depth), body["field"][1])
        if kind == "RefBrack":
            step = self._step(body["index"], names)
            return _step_into(self._term(body["refr"], names, depth), step)
        return self._computed(node, names, depth)

    def _computed(self, node: JSONObject, names: Names, depth: int) -> Term:
        kind, body = _only(node)
        if kind == "Call" and _called(body) == _LOOKUP and len(body["params"]) == 1:
            name = self._term(body["params"][0], names, depth)
            if isinstance(name, Literal) and isinstance(name.value, str):
                return Reference(name.value)
            return None
        read = frozenset(self._read_by(node, names))
        return Derived(read) if read else None

    def _named(self, name: str, names: Names, depth: int) -> Term:
        if name in names:
            return names[name]
        if name in (INPUT, DATA):
            return Path(name)
        definitions = self.definitions.get(name, ())
        if len(definitions) != 1 or depth > _MAX_DEPTH:
            return None
        _, head = _only(definitions[0]["head"])
        if _parameters(definitions[0]) is not None or not head.get("assign"):
            return None
        return self._term(head["assign"]["value"], {}, depth + 1)

    def _step(self, index: JSONObject, names: Names) -> Step | None:
        kind, body = _only(index)
        if kind == "Var" and body["value"] not in names:
            if body["value"] in self.definitions:
                return None
            number = next(self.numbers)
            if body["value"] != "_":
                names[body["value"]] = Key(number)
            return Each(number)
        term = self._term(index, names)
        if isinstance(term, Key):
            return Each(term.number)
        if isinstance(term, Literal) and isinstance(term.value, str | int):
            return term.value
        return None


def _only(node: JSONObject) -> tuple[str, JSONObject]:
    kind, body = next(iter(node.items()))
    return kind, body


def _parameters(spec: JSONObject) -> list[JSONObject] | None:
    """Of a function; ``None`` for a rule."""
    kind, head = _only(spec["head"])
    return head["args"] if kind == "Func" else None


def _paths_of(term: Term) -> Iterator[Path]:
    if isinstance(term, Path):
        yield term
    elif isinstance(term, Derived):
        yield from term.reads


def _ends_within_text(source: bytes) -> bool:
    """Whether a quote is open at the end; behind a backslash there is none."""
    quote, escaped = 0, False
    for byte in source:
        if escaped:
            escaped = False
        elif quote:
            escaped = byte == _BACKSLASH and quote == _QUOTES[0]
            quote = 0 if byte == quote else quote
        elif byte in _QUOTES:
            quote = byte
    return quote != 0


def _called(call: JSONObject) -> str:
    return str(call["fcn"]["Var"]["value"]) if "Var" in call["fcn"] else ""


def _contrary(comparison: Comparison) -> Comparison:
    operator = _CONTRARY.get(comparison.operator)
    if operator is None:
        return Comparison("not in", comparison.left, comparison.right)
    return replace(comparison, operator=operator)


def _tells(comparison: Comparison) -> bool:
    return None not in (comparison.left, comparison.right)


def _reads_reference(condition: Condition) -> bool:
    return any(
        isinstance(side, Reference)
        for each in condition.comparisons
        for side in (each.left, each.right)
    )


def _step_into(term: Term, step: Step | None) -> Term:
    if step is not None and isinstance(term, Path | Reference):
        return replace(term, steps=(*term.steps, step))
    return None


def _listed(items: list[Term]) -> Term:
    values = [each.value for each in items if isinstance(each, Literal)]
    return Literal(values) if len(values) == len(items) else None


def _walk(value: object) -> Iterator[JSONObject]:
    """Every object below a value, in the order of the source."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)


def _outermost_references(node: object) -> Iterator[JSONObject]:
    """References that are not the beginning of a longer one, and names."""
    if isinstance(node, list):
        for each in node:
            yield from _outermost_references(each)
    elif isinstance(node, dict):
        if "Var" in node:
            yield node
        elif "RefDot" in node or "RefBrack" in node:
            yield node
            body = _only(node)[1]
            yield from _outermost_references(body.get("index"))
        else:
            for each in node.values():
                yield from _outermost_references(each)
