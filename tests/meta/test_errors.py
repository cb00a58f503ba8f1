"""Reason codes are public: each is documented, has a status everywhere, and is really raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import pytest
from repository import ROOT, files, page, relative, sections, trees

from app.blueprints import errors as dialects
from app.trust import errors
from app.trust.errors import DomainError

WORD = re.compile(r"\w+(?:-\w+)*")
CODE = re.compile(r"[a-z]+(-[a-z]+)*")
STATUSES = re.compile(
    r"^Status: KBS (?P<kbs>\d{3}) · AS (?P<as>\d{3}) · console (?P<console>\d{3})\.$", re.MULTILINE
)
# What the HTTP layer says by itself, about requests that reach no use case.
HTTP_CODES = {"internal", "method-not-allowed"}
NOT_RAISED_HERE = {"app/trust/errors.py", "app/blueprints/errors.py"}


def below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    """Every error under another, depth first."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


ERRORS = list(below(DomainError))
LEAVES = [kind for kind in ERRORS if not kind.__subclasses__()]
DOCUMENTED = sections(page("reference/errors.md"), 3)


def status(table: Mapping[type[DomainError], int], kind: type[DomainError]) -> int | None:
    """The status of the nearest ancestor, as the server looks it up."""
    return next((table[each] for each in kind.__mro__ if each in table), None)


def test_codes_are_kebab_case_and_unique() -> None:
    """A code is lower-case words with hyphens, and stands for one thing."""
    codes = [kind.code for kind in ERRORS]
    assert [code for code in codes if not CODE.fullmatch(code)] == []
    assert sorted(codes) == sorted(set(codes))


def test_the_page_is_complete() -> None:
    """Every code has a heading, and every heading is a code."""
    assert set(DOCUMENTED) == {kind.code for kind in ERRORS} | HTTP_CODES


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.code)
def test_the_page_tells_the_statuses(kind: type[DomainError]) -> None:
    """The statuses on the page are those of the three tables."""
    told = STATUSES.search(DOCUMENTED[kind.code])
    assert told is not None, f"{kind.code} needs a line 'Status: KBS … · AS … · console ….'"
    assert {name: int(value) for name, value in told.groupdict().items()} == {
        "kbs": status(dialects.KBS_STATUS, kind),
        "as": status(dialects.AS_STATUS, kind),
        "console": status(dialects.CONSOLE_STATUS, kind),
    }


@pytest.mark.parametrize("code", sorted(DOCUMENTED))
def test_the_page_says_what_to_do(code: str) -> None:
    """Every code has its meaning and a way on."""
    text = STATUSES.sub("", DOCUMENTED[code]).strip()
    assert "What to do:" in text
    assert len(text.partition("What to do:")[0].strip()) > 20


def test_every_leaf_is_raised() -> None:
    """A code that nothing raises is a promise that nothing keeps."""
    handed = set()
    for path, tree in trees("app"):
        if relative(path) not in NOT_RAISED_HERE:
            handed |= set(_names_handed_on(tree))
    assert [kind.__name__ for kind in LEAVES if kind.__name__ not in handed] == []


def test_every_leaf_is_met_by_a_test() -> None:
    """Each code stands in a test, by its class or by itself."""
    words: set[str] = set()
    for path in files(".py", under=ROOT / "tests"):
        if path.parent.name != "meta":
            words |= set(WORD.findall(path.read_text(encoding="utf-8")))
    unmet = [kind for kind in LEAVES if not {kind.__name__, kind.code} & words]
    assert [kind.code for kind in unmet] == []


def _names_handed_on(tree: ast.Module) -> Iterator[str]:
    """Names that are raised, called or stored: all but those that are caught or compared with."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            skipped |= set(ast.walk(node.type))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            skipped |= set(ast.walk(node.args[1]))
    for node in ast.walk(tree):
        if node not in skipped and isinstance(node, ast.Name | ast.Attribute):
            yield node.id if isinstance(node, ast.Name) else node.attr
