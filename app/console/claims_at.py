"""Values of claims at the places that conditions name, and whether a comparison holds for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.trust.json_types import JSONValue
from app.trust.policy_conditions import FAILS, HOLDS, Each, Step

_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

MISSING = object()


@dataclass(frozen=True, slots=True)
class Found:
    """One value that a path stands for.

    Attributes:
        steps: to it, without any ``Each``.
        keys: the index or member name that each ``Each`` is at, by number.
        value: ``MISSING`` when it is not there.
    """

    steps: tuple[str | int, ...]
    keys: Mapping[int, str | int]
    value: object


def values_at(document: JSONValue, steps: tuple[Step, ...]) -> list[Found]:
    """Every value that a path stands for; at least one, which may be missing, without ``Each``."""
    return list(_walk(document, steps, (), {}))


def mirrored(operator: str) -> str | None:
    """The operator with its sides exchanged; ``None`` where that says something else."""
    return _MIRRORED.get(operator)


def holds(operator: str, actual: object, expected: JSONValue) -> bool:
    """Whether a comparison holds for a claim on its left side, as Rego compares."""
    if actual is MISSING:
        return operator == FAILS
    if operator == HOLDS:
        return actual is not False
    if operator == FAILS:
        return actual is False
    if operator in ("in", "not in"):
        return _contains(expected, actual) == (operator == "in")
    if operator in ("==", "!="):
        return _same(actual, expected) == (operator == "==")
    return _ordered(operator, actual, expected)


def _walk(
    document: object,
    steps: tuple[Step, ...],
    taken: tuple[str | int, ...],
    keys: dict[int, str | int],
) -> Iterator[Found]:
    if not steps:
        yield Found(taken, dict(keys), document)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Each):
        members = (
            document.items()
            if isinstance(document, dict)
            else enumerate(document)
            if isinstance(document, list)
            else ()
        )
        for key, value in members:
            yield from _walk(value, rest, (*taken, key), {**keys, step.number: key})
        return
    yield from _walk(_member(document, step), rest, (*taken, step), keys)


def _member(document: object, step: str | int) -> object:
    if isinstance(document, dict) and step in document:
        return document[step]
    if isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
        return document[step]
    return MISSING


def _contains(collection: JSONValue, value: object) -> bool:
    members = collection.values() if isinstance(collection, dict) else collection
    if not isinstance(members, list) and not isinstance(collection, dict):
        return False
    return any(_same(value, each) for each in members)


def _same(left: object, right: object) -> bool:
    # In Python true is 1; in Rego it is not.
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _ordered(operator: str, left: object, right: object) -> bool:
    both_numbers = all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in (left, right)
    )
    if not both_numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    is_less = bool(left < right)  # type: ignore[operator]  # both are of one kind
    is_equal = left == right
    if operator in ("<", "<="):
        return is_less or (is_equal and operator == "<=")
    return not is_less and (operator == ">=" or not is_equal)
