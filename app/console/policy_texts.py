"""Policies as pages show them: lines with numbers, the place of a fault, two versions compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher, unified_diff

from app.trust.json_types import JSONObject
from app.trust.policies import PolicyVersion

# Unchanged lines that stand around a change, as `diff` has them.
_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a policy.

    Attributes:
        number: 1-based.
        mark: what the line is marked as: ``fault``, ``reached``, ``unreached``, or nothing.
        sign: the same in one character, for those who see no colours.
    """

    number: int
    text: str
    mark: str = ""
    sign: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """A line of one of two versions; without a number where the other has a line more.

    Attributes:
        mark: ``removed``, ``added``, ``blank``, or nothing.
    """

    number: int | None
    text: str
    mark: str


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A line of both versions; ``None`` on both sides where unchanged lines are left out."""

    old: Side | None
    new: Side | None


def numbered(text: str) -> tuple[SourceLine, ...]:
    """Every line, unmarked."""
    return tuple(SourceLine(number, line) for number, line in enumerate(text.splitlines(), 1))


def compare(old: str, new: str) -> tuple[DiffRow, ...]:
    """What differs, side by side; nothing when both are the same line by line."""
    left, right = old.splitlines(), new.splitlines()
    groups = SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(_CONTEXT)
    rows: list[DiffRow] = []
    for group in groups:
        if rows or group[0][1] or group[0][3]:
            rows.append(DiffRow(None, None))
        for tag, old_from, old_to, new_from, new_to in group:
            changed = tag != "equal"
            removed = _sides(left, old_from, old_to, "removed" if changed else "")
            added = _sides(right, new_from, new_to, "added" if changed else "")
            rows += _paired(removed, added)
    return tuple(rows)


def unified(old: str, new: str, old_title: str, new_title: str) -> str:
    """What differs, as terminals show it; nothing when both are the same."""
    lines = unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), old_title, new_title
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def comparison_as_json(old: PolicyVersion, new: PolicyVersion) -> JSONObject:
    """What differs between two versions, side by side and as terminals show it."""
    titles = f"version {old.version}", f"version {new.version}"
    return {
        "old": old.version,
        "new": new.version,
        "rows": [asdict(row) for row in compare(old.text, new.text)],
        "unified": unified(old.text, new.text, *titles),
    }


def _sides(lines: list[str], begin: int, end: int, mark: str) -> list[Side]:
    return [Side(number + 1, lines[number], mark) for number in range(begin, end)]


def _paired(old: list[Side], new: list[Side]) -> Iterator[DiffRow]:
    blank = Side(None, "", "blank")
    for number in range(max(len(old), len(new))):
        yield DiffRow(
            old[number] if number < len(old) else blank,
            new[number] if number < len(new) else blank,
        )
