"""Which reference values a policy can ask for, from the engine's syntax tree (rego_source.py).

A name reaches ``query_reference_value`` as a text of its own, or through the parameters of
functions, however many. ``data.reference.<name>``, which older policies of Trustee read, counts
too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.trust.json_types import JSONObject
from app.trust.policy_engine import ReferenceNames

_LOOKUP = "query_reference_value"
_TEXTS = frozenset({"String", "RawString"})
_OLD_FORM = ("data", "reference")


@dataclass(slots=True)
class _Definition:
    """One definition of a rule or function.

    Attributes:
        parameters: names of them, in order.
        body: of the whole definition.
    """

    name: str
    parameters: tuple[str, ...]
    body: JSONObject


@dataclass(slots=True)
class _Search:
    """Follows names to where they come from.

    Attributes:
        passing: function and position of every argument that becomes the name of a value.
    """

    definitions: list[_Definition]
    passing: set[tuple[str, int]] = field(default_factory=lambda: {(_LOOKUP, 0)})
    names: set[str] = field(default_factory=set)
    is_complete: bool = True

    def run(self) -> ReferenceNames:
        """Look until nothing more is found to pass names on."""
        before = 0
        while before != len(self.passing):
            before, self.is_complete = len(self.passing), True
            for definition in self.definitions:
                self._read(definition)
        return ReferenceNames(frozenset(self.names), is_complete=self.is_complete)

    def _read(self, definition: _Definition) -> None:
        texts: dict[str, set[str] | None] = {}
        for name, found in _assigned_texts(definition.body):
            before = texts.get(name, set())
            texts[name] = None if found is None or before is None else before | found
        for node in _walk(definition.body):
            old = _old_name(node)
            if old is not None:
                self.names.add(old)
            if "Call" in node:
                self._follow(node["Call"], definition, texts)

    def _follow(
        self, call: JSONObject, definition: _Definition, texts: dict[str, set[str] | None]
    ) -> None:
        called = call["fcn"]["Var"]["value"] if "Var" in call["fcn"] else ""
        for place, argument in enumerate(call["params"]):
            if (called, place) not in self.passing:
                continue
            kind, body = next(iter(argument.items()))
            word = body["value"] if kind == "Var" else None
            if kind in _TEXTS:
                self.names.add(body["value"])
            elif word in definition.parameters:
                self.passing.add((definition.name, definition.parameters.index(word)))
            else:
                self._add(texts.get(word) if word in texts else self._rule_texts(word))

    def _rule_texts(self, word: str | None) -> set[str] | None:
        """The texts that rules of this name yield; ``None`` when only an evaluation tells."""
        found: set[str] = set()
        for definition in self.definitions:
            if definition.name == word and not definition.parameters:
                value = definition.body["head"].get("Compr", {}).get("assign")
                texts = _texts_of(value["value"]) if value else None
                if texts is None:
                    return None
                found |= texts
        return found or None

    def _add(self, texts: set[str] | None) -> None:
        if texts is None:
            self.is_complete = False
        else:
            self.names |= texts


def read_reference_names(tree: str) -> ReferenceNames:
    """The names of reference values that a policy can ask for.

    Args:
        tree: the engine's syntax tree of one policy, JSON.
    """
    module = json.loads(tree)[0]["ast"]
    return _Search(list(_definitions(module["rules"]))).run()


def _definitions(nodes: list[JSONObject]) -> Iterator[_Definition]:
    for node in nodes:
        if "Spec" not in node:
            continue
        kind, head = next(iter(node["Spec"]["head"].items()))
        arguments = head["args"] if kind == "Func" else []
        names = tuple(each["Var"]["value"] if "Var" in each else "" for each in arguments)
        yield _Definition(_head_name(head["refr"]), names, node["Spec"])


def _head_name(node: JSONObject) -> str:
    while "Var" not in node:
        node = next(iter(node.values()))["refr"]
    return str(node["Var"]["value"])


def _assigned_texts(body: JSONObject) -> Iterator[tuple[str, set[str] | None]]:
    """Local names with the texts that they may stand for; ``None`` for what is computed."""
    for node in _walk(body):
        if "AssignExpr" in node and "Var" in node["AssignExpr"]["lhs"]:
            assigned = node["AssignExpr"]
            yield assigned["lhs"]["Var"]["value"], _texts_of(assigned["rhs"])
        elif "SomeIn" in node and "Var" in node["SomeIn"]["value"]:
            some = node["SomeIn"]
            yield some["value"]["Var"]["value"], _texts_of(some["collection"], among=True)


def _texts_of(node: JSONObject, *, among: bool = False) -> set[str] | None:
    """The text that an expression is, or that the members of a list are."""
    kind, body = next(iter(node.items()))
    if not among:
        return {body["value"]} if kind in _TEXTS else None
    if kind not in ("Array", "Set"):
        return None
    members = [_texts_of(each) for each in body["items"]]
    found = [each for each in members if each is not None]
    return set().union(*found) if found and len(found) == len(members) else None


def _old_name(node: JSONObject) -> str | None:
    """``svn`` of the reference ``data.reference.svn``."""
    parts: list[str] = []
    while "RefDot" in node or "RefBrack" in node:
        if "RefDot" in node:
            parts.append(str(node["RefDot"]["field"][1]))
            node = node["RefDot"]["refr"]
        else:
            kind, index = next(iter(node["RefBrack"]["index"].items()))
            parts.append(str(index["value"]) if kind in _TEXTS else "")
            node = node["RefBrack"]["refr"]
    if "Var" not in node:
        return None
    path = (str(node["Var"]["value"]), *reversed(parts))
    return path[2] if path[:2] == _OLD_FORM and len(path) == 3 and path[2] else None


def _walk(value: object) -> Iterator[JSONObject]:
    """Every object below a value."""
    queue = [value]
    while queue:
        current = queue.pop()
        if isinstance(current, dict):
            yield current
            queue.extend(current.values())
        elif isinstance(current, list):
            queue.extend(current)
