"""Claims beside the reference values that a policy compared them with.

The default policies compare in one way, ``listed(input.snp.measurement, "snp_launch_measurement")``
and three functions like it. Where a policy is written so, its source tells which claim stands
beside which reference value; where it is not, nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.attestation.ear import TrustTier
from app.trust.json_types import JSONObject, JSONValue

_CALL = re.compile(
    r"\b(?P<function>listed|equals|at_least|unopposed)\(\s*(?P<claim>[\w.\[\]\"-]+)\s*,"
    r"\s*\"(?P<name>[^\"\n]+)\"\s*\)"
)
_ALIAS = re.compile(r"^(?P<name>\w+) := (?P<path>input[\w.\[\]\"-]*)$", re.MULTILINE)
_STEP = re.compile(r"\.(?P<member>\w+)|\[\"(?P<quoted>[^\"]+)\"\]")
_RULE = re.compile(r"^(?P<rule>\w+)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One reference value that was asked for, and the claim it was compared with.

    Attributes:
        name: of the reference value.
        claim: as the policy writes it, or nothing when the source does not tell.
        state: ``missing``, ``differs``, ``met``, or ``read`` when the source does not tell.
        expected: the reference value, JSON, or nothing when it was missing.
        actual: the claim's value, JSON, or nothing when it is not there.
        draft: the reference value that would meet the claim, JSON, or nothing.
        is_cause: whether a trust claim is not affirming because of it, as far as can be told.
    """

    name: str
    claim: str
    state: str
    expected: str
    actual: str
    draft: str
    is_cause: bool


def compared(
    text: str, policy_input: JSONObject, read: JSONObject, vector: dict[str, int]
) -> list[Comparison]:
    """Every reference value that was read, causes first.

    Args:
        text: of the policy.
        policy_input: what it saw as ``input``.
        read: reference values by name, ``None`` for those that were missing.
        vector: the trust vector that came out.
    """
    told = {comparison.name: comparison for comparison in _told(text, policy_input, read, vector)}
    others = [
        Comparison(name, "", "missing" if value is None else "read", _json(value), "", "", False)  # noqa: FBT003
        for name, value in read.items()
        if name not in told
    ]
    return sorted([*told.values(), *others], key=lambda each: (not each.is_cause, each.name))


def _told(
    text: str, policy_input: JSONObject, read: JSONObject, vector: dict[str, int]
) -> Iterator[Comparison]:
    aliases = {found["name"]: found["path"] for found in _ALIAS.finditer(text)}
    # The last of several comparisons with one name would win; the first is the strictest.
    for found in reversed(list(_CALL.finditer(text))):
        path = _resolved(found["claim"], aliases)
        if found["name"] not in read or path is None:
            continue
        is_there, actual = _value(policy_input, path)
        if not is_there:
            continue
        expected = read[found["name"]]
        state = _state(found["function"], actual, expected)
        yield Comparison(
            name=found["name"],
            claim=path,
            state=state,
            expected=_json(expected),
            actual=json.dumps(actual, ensure_ascii=False),
            draft=json.dumps(_draft(found["function"], actual, expected), ensure_ascii=False),
            is_cause=state != "met" and _matters(_rule_at(text, found.start()), vector),
        )


def _resolved(claim: str, aliases: dict[str, str]) -> str | None:
    """The claim's path from ``input``; ``None`` when it begins with a variable."""
    head = re.match(r"\w+", claim)
    if head is None or head[0] == "input":
        return claim if head else None
    base = aliases.get(head[0])
    return None if base is None else base + claim[head.end() :]


def _value(policy_input: JSONObject, path: str) -> tuple[bool, JSONValue]:
    value: JSONValue = policy_input
    for step in _STEP.finditer(path):
        member = step["member"] or step["quoted"]
        if not isinstance(value, dict) or member not in value:
            return False, None
        value = value[member]
    return True, value


def _state(function: str, actual: JSONValue, expected: JSONValue) -> str:
    if expected is None:
        return "missing"
    if function == "listed":
        met = isinstance(expected, list) and actual in expected
    elif function == "at_least":
        met = _is_number(actual) and _is_number(expected) and actual >= expected
    else:
        met = actual == expected
    return "met" if met else "differs"


def _draft(function: str, actual: JSONValue, expected: JSONValue) -> JSONValue:
    """What would meet the claim; what a list holds already stays in it."""
    if function != "listed":
        return actual
    return [*expected, actual] if isinstance(expected, list) else [actual]


def _rule_at(text: str, position: int) -> str:
    """The name of the rule in whose body a position lies."""
    rules = [found["rule"] for found in _RULE.finditer(text, 0, position)]
    return rules[-1] if rules else ""


def _matters(rule: str, vector: dict[str, int]) -> bool:
    if rule in vector:
        return TrustTier.of(vector[rule]) is not TrustTier.AFFIRMING
    return any(TrustTier.of(value) > TrustTier.AFFIRMING for value in vector.values())


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(value: JSONValue) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
