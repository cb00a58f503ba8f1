"""What a rule of a policy asks for: its conditions, and what each of them compares.

A condition is one statement that has to hold. Names, functions and other rules are followed to what
they stand for, so that ``listed(az.measurement, "measurement")`` is known to compare a claim with a
reference value. ``app/trust/rego_conditions.py`` reads them from the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.trust.json_types import JSONValue

INPUT, DATA = "input", "data"

# Operators besides those of Rego: a value that has to be there and not false, or the contrary.
HOLDS, FAILS = "holds", "fails"


@dataclass(frozen=True, slots=True)
class Each:
    """A step to every element or member; two with the same number take the same one."""

    number: int


Step: TypeAlias = str | int | Each


@dataclass(frozen=True, slots=True)
class Path:
    """A value of the input or of the data.

    Attributes:
        root: ``input`` or ``data``.
        steps: from there on.
    """

    root: str
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        """As a policy writes it; ``[*]`` for every element."""
        text = self.root
        for step in self.steps:
            if isinstance(step, Each):
                text += "[*]"
            elif isinstance(step, int):
                text += f"[{step}]"
            else:
                text += f".{step}" if step.isidentifier() and step.isascii() else f'["{step}"]'
        return text


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference value.

    Attributes:
        name: that it is registered under.
        steps: to the part of it that is compared.
    """

    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that the policy names itself; a set counts as a list."""

    value: JSONValue


@dataclass(frozen=True, slots=True)
class Key:
    """The index or member name that an ``Each`` is at."""

    number: int


@dataclass(frozen=True, slots=True)
class Derived:
    """What is computed from these."""

    reads: frozenset[Path]


# ``None`` stands for what only an evaluation tells.
Term: TypeAlias = Path | Reference | Literal | Key | Derived | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared with what.

    Attributes:
        operator: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``holds`` or ``fails``; the
            last two have no right side.
    """

    operator: str
    left: Term
    right: Term = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement that has to hold for a rule.

    Attributes:
        rule: in whose body it stands.
        line: 1-based.
        start: of the statement in the UTF-8 source, bytes.
        end: of the same, exclusive.
        text: of the statement.
        comparisons: as far as the source tells them.
        sides: the source of the two sides of its one comparison, where it is one.
        reads: every claim that it looks at.
    """

    rule: str
    line: int
    start: int
    end: int
    text: str
    comparisons: tuple[Comparison, ...]
    sides: tuple[str, str] | None
    reads: frozenset[Path]
