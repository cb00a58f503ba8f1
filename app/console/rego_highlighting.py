"""Rego for readers: each line as words with what they are, for the pages to colour.

It colours and nothing else: what a policy means, the engine says. ``static/rego.js`` does the same
while someone types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

KEYWORDS = frozenset(
    {
        *("package", "import", "default", "if", "else", "not", "some", "every", "in", "contains"),
        *("with", "as", "true", "false", "null"),
    }
)
_ROOTS = frozenset({"input", "data"})

# In this order: what begins a comment within a text is none.
_WORD = re.compile(
    r"""
    (?P<comment>\#.*)
    | (?P<text>"(?:[^"\\\n]|\\.)*"?|`[^`]*`?)
    | (?P<number>-?\b\d+(?:\.\d+)?\b)
    | (?P<call>\b[A-Za-z_][\w.]*(?=\())
    | (?P<name>\b[A-Za-z_]\w*)
    | (?P<sign>:=|==|!=|<=|>=|[=<>|&*+/{}\[\](),;:.-])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a line.

    Attributes:
        sort: ``comment``, ``text``, ``number``, ``keyword``, ``root`` (``input``, ``data``),
            ``call``, ``name``, ``sign``, or nothing for what lies between.
    """

    text: str
    sort: str


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line as pages show it.

    Attributes:
        number: 1-based.
        is_fault: whether the fault stands here.
    """

    number: int
    words: tuple[Word, ...]
    is_fault: bool = False


def code_lines(
    source: str, *, fault: int | None = None, around: int | None = None
) -> tuple[CodeLine, ...]:
    """The lines of a policy with their numbers.

    Args:
        source: of the policy.
        fault: the line to mark.
        around: how many lines before and after the marked one to give; ``None`` gives all.
    """
    return tuple(
        CodeLine(number, words, number == fault)
        for number, words in enumerate(highlighted(source), 1)
        if around is None or fault is None or abs(number - fault) <= around
    )


def highlighted(source: str) -> tuple[tuple[Word, ...], ...]:
    """The lines of a policy, in words that joined are the line."""
    lines: list[list[Word]] = [[]]
    for word in _words(source):
        first, *rest = word.text.split("\n")
        lines[-1].append(Word(first, word.sort))
        lines += [[Word(each, word.sort)] for each in rest]
    if not lines[-1] or lines[-1] == [Word("", "")]:
        lines.pop()
    return tuple(tuple(word for word in line if word.text) for line in lines)


def _words(source: str) -> Iterator[Word]:
    end = 0
    for found in _WORD.finditer(source):
        if found.start() > end:
            yield Word(source[end : found.start()], "")
        yield Word(found[0], _sort(found))
        end = found.end()
    if end < len(source):
        yield Word(source[end:], "")


def _sort(found: re.Match[str]) -> str:
    sort, text = str(found.lastgroup), found[0]
    if sort in {"name", "call"} and text in KEYWORDS:
        return "keyword"
    if sort == "name" and text in _ROOTS:
        return "root"
    return sort
