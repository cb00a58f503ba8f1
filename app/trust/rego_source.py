"""What the syntax tree of a policy tells without evaluating it.

The engine hands its tree out as JSON: every node is an object whose one member names its kind
(``{"Call": {"fcn": …, "params": […]}}``) and whose ``span`` holds line and column. Only what the
checks at set time need is read; an unknown kind of node is walked through, never an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from app.trust.errors import MalformedPolicyError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policy_engine import UNDEFINED, LiteralMember, Undefined

# How many rules may stand behind each other; each level of evaluation takes stack.
MAX_RULE_CHAIN = 50

_LITERALS = frozenset({"Number", "String", "RawString", "Bool"})
_Assignment = tuple[tuple[JSONValue | Undefined, ...], JSONObject | None]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the text, 1-based."""

    line: int
    column: int


@dataclass(slots=True)
class Rule:
    """Every definition of one name.

    Attributes:
        at: where the name is first defined.
        assignments: the path below the name (``("hardware",)`` of ``claims.hardware := 2``) and
            the expression assigned; ``None`` for ``true``.
        calls: names called in it, with the place of the first call.
        names: names that occur in it.
        data: members of ``data`` that are asked for by name, with the place of one of them.
        is_function: whether it takes arguments.
    """

    at: Position
    assignments: list[_Assignment] = field(default_factory=list)
    calls: dict[str, Position] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    data: dict[str, Position] = field(default_factory=dict)
    is_function: bool = False


class RegoSource:
    """The rules of one policy, by name."""

    def __init__(self, tree: str, package: str) -> None:
        """Read the engine's syntax tree of one policy.

        Raises:
            MalformedPolicyError: it nests too deeply to be read.
        """
        try:
            module = json.loads(tree)[0]["ast"]
        except RecursionError as error:
            raise MalformedPolicyError("an expression of the policy nests too deeply") from error
        self._own_prefix = f"data.{package}."
        self.rules: dict[str, Rule] = {}
        for node in module["rules"]:
            self._add(node)

    def check_chains(self) -> None:
        """Refuse functions that call themselves and rules that stand behind too many others.

        The engine finds a rule that depends on itself; a function that does ends the process.

        Raises:
            MalformedPolicyError: with the place of the rule.
        """
        depths: dict[str, int] = {}
        for name, rule in self.rules.items():
            if self._depth(name, depths) > MAX_RULE_CHAIN:
                raise MalformedPolicyError(
                    f"{name} stands behind {MAX_RULE_CHAIN} other rules, or behind itself",
                    line=rule.at.line,
                    column=rule.at.column,
                )

    def foreign_calls(self) -> dict[str, Position]:
        """Functions that are called and not defined in the policy, with the first call of each."""
        found: dict[str, Position] = {}
        for rule in self.rules.values():
            for name, at in rule.calls.items():
                if name not in self.rules:
                    found.setdefault(name, at)
        return found

    def depends_on_input(self, line: int) -> bool:
        """Whether the rule at a line can come out otherwise for another input."""
        start, name = max(
            ((rule.at.line, name) for name, rule in self.rules.items() if rule.at.line <= line),
            default=(0, ""),
        )
        reached, queue = set[str](), [name] if start else []
        while queue:
            current = queue.pop()
            if current not in reached:
                reached.add(current)
                queue += self.rules[current].names if current in self.rules else ()
        return not start or bool(reached & {"input", "data", "query_reference_value"})

    def literal_values(self, rule: str) -> tuple[JSONValue | Undefined, ...]:
        """What the definitions of a rule give it, as far as the source tells."""
        return tuple(
            UNDEFINED if path else True if expression is None else _literal(expression)
            for path, expression in self.rules[rule].assignments
        )

    def data_references(self) -> dict[str, Position]:
        """Members of ``data`` that are asked for by name, with the first place of each."""
        found: dict[str, Position] = {}
        for rule in self.rules.values():
            for name, at in rule.data.items():
                if name not in found or (at.line, at.column) < (
                    found[name].line,
                    found[name].column,
                ):
                    found[name] = at
        return found

    def literal_members(self, rule: str) -> tuple[LiteralMember, ...]:
        """The members of the object that a rule yields, as far as the source tells."""
        return tuple(self._members(rule, frozenset()))

    def _members(self, name: str, seen: frozenset[str]) -> Iterator[LiteralMember]:
        if name not in self.rules or name in seen:
            return
        rule = self.rules[name]
        for path, expression in rule.assignments:
            if path:
                for value, at in self._values(expression, seen | {name}, rule.at):
                    yield LiteralMember(path[0], value, at.line, at.column)
            elif expression is not None and "Object" in expression:
                for _, key, value_node in expression["Object"]["fields"]:
                    key_text = _literal(key)
                    for value, at in self._values(value_node, seen | {name}, rule.at):
                        yield LiteralMember(key_text, value, at.line, at.column)
            elif expression is not None and "Var" in expression:
                yield from self._members(expression["Var"]["value"], seen | {name})

    def _values(
        self, expression: JSONObject | None, seen: frozenset[str], at: Position
    ) -> Iterator[tuple[JSONValue | Undefined, Position]]:
        """What an expression may yield, as far as the source tells, and where it says so."""
        if expression is None:
            yield True, at
            return
        name = expression["Var"]["value"] if "Var" in expression else None
        if name not in self.rules or name in seen:
            yield _literal(expression), _position(expression)
            return
        for path, assigned in self.rules[name].assignments:
            if path:
                yield UNDEFINED, self.rules[name].at
            else:
                yield from self._values(assigned, seen | {name}, self.rules[name].at)

    def _depth(self, name: str, depths: dict[str, int]) -> int:
        """How many rules stand behind a name; a cycle of calls counts as endless."""
        endless = MAX_RULE_CHAIN + 1
        on_path: list[tuple[str, Iterator[str]]] = [(name, self._behind(name))]
        depths.setdefault(name, 0)
        open_names = {name}
        while on_path:
            current, rest = on_path[-1]
            following = next(rest, None)
            if following is None:
                on_path.pop()
                open_names.discard(current)
                if on_path:
                    parent = on_path[-1][0]
                    depths[parent] = max(depths[parent], depths[current] + 1)
            elif following in open_names:
                # The engine itself finds cycles through rules; only calls recurse unseen.
                if following in self.rules[current].calls:
                    depths[current] = endless
            elif following in depths:
                depths[current] = max(depths[current], depths[following] + 1)
            else:
                depths[following] = 0
                open_names.add(following)
                on_path.append((following, self._behind(following)))
        return depths[name]

    def _behind(self, name: str) -> Iterator[str]:
        return iter([other for other in self.rules[name].names if other in self.rules])

    def _add(self, node: JSONObject) -> None:
        kind, body = next(iter(node.items()))
        if kind == "Default":
            kind, path, assigned = "Compr", _head_path(body["refr"]), [body["value"]]
        else:
            kind, head = next(iter(body["head"].items()))
            path = _head_path(head["refr"])
            assign = head.get("assign")
            assigned = [assign["value"] if assign else None]
            assigned += [each["assign"]["value"] for each in body["bodies"] if each["assign"]]
        name = str(path[0])
        rule = self.rules.setdefault(name, Rule(_position(node)))
        rule.is_function = kind == "Func"
        rule.assignments += [(path[1:], expression) for expression in assigned]
        for found in _walk(body):
            self._note(rule, found)

    def _note(self, rule: Rule, node: JSONObject) -> None:
        if "Call" in node:
            called = _dotted(node["Call"]["fcn"]).removeprefix(self._own_prefix)
            rule.calls.setdefault(called, _position(node["Call"]["fcn"]))
            rule.names.add(called)
        elif "RefDot" in node or "RefBrack" in node:
            full = _dotted(node)
            if full.startswith(self._own_prefix):
                rule.names.add(full.removeprefix(self._own_prefix))
            root, *members = full.split(".")
            if root == "data" and len(members) == 1 and members != ["*"]:
                rule.data.setdefault(members[0], _position(node))
        elif "Var" in node:
            rule.names.add(str(node["Var"]["value"]))


def _walk(value: JSONValue) -> Iterator[JSONObject]:
    """Every object below a value, in no particular order, without recursion."""
    queue = [value]
    while queue:
        current = queue.pop()
        if isinstance(current, dict):
            yield current
            queue.extend(current.values())
        elif isinstance(current, list):
            queue.extend(current)


def _head_path(node: JSONObject) -> tuple[JSONValue | Undefined, ...]:
    """``("claims", "hardware")`` of the head ``claims.hardware`` or ``claims["hardware"]``."""
    parts: list[JSONValue | Undefined] = []
    while "Var" not in node:
        if "RefDot" in node:
            parts.append(node["RefDot"]["field"][1])
            node = node["RefDot"]["refr"]
        else:
            parts.append(_literal(node["RefBrack"]["index"]))
            node = node["RefBrack"]["refr"]
    return (node["Var"]["value"], *reversed(parts))


def _dotted(node: JSONObject) -> str:
    """``a.b.c`` of a reference; computed parts as ``*``."""
    parts: list[str] = []
    while "Var" not in node:
        if "RefDot" in node:
            parts.append(str(node["RefDot"]["field"][1]))
            node = node["RefDot"]["refr"]
        elif "RefBrack" in node:
            part = _literal(node["RefBrack"]["index"])
            parts.append(part if isinstance(part, str) else "*")
            node = node["RefBrack"]["refr"]
        else:
            return ""
    return ".".join(chain([str(node["Var"]["value"])], reversed(parts)))


def _literal(node: JSONObject) -> JSONValue | Undefined:
    kind, body = next(iter(node.items()))
    return body["value"] if kind in _LITERALS else UNDEFINED


def _position(node: JSONObject) -> Position:
    span = next(iter(node.values()))["span"]
    return Position(span["line"], span["col"])
