"""The repository as text: files, documents and code, for tests about the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

# What is made on the way, is not ours, or is state.
_SKIPPED = frozenset(
    {
        ".git",
        ".hypothesis",
        ".import_linter_cache",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        "__pycache__",
        "build",
        "node_modules",
        "var",
    }
)
_LARGEST_TEXT_BYTES = 1024 * 1024
_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)
_TEST = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)
_HEADING = re.compile(r"^(?P<level>#{1,6}) +(?P<title>.+?)\s*$", re.MULTILINE)


def files(*suffixes: str, under: Path = ROOT) -> Iterator[Path]:
    """Every file of the repository below a folder, with one of these suffixes if any are given."""
    for path in sorted(under.iterdir()):
        if path.name in _SKIPPED or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from files(*suffixes, under=path)
        elif not suffixes or path.suffix in suffixes:
            yield path


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    """Every text of the repository with its path."""
    for path in files(*suffixes):
        raw = path.read_bytes() if path.stat().st_size <= _LARGEST_TEXT_BYTES else b"\0"
        if b"\0" not in raw:
            yield path, raw.decode("utf-8", errors="replace")


def documents() -> list[Path]:
    """Every Markdown page."""
    return list(files(".md"))


def relative(path: Path) -> str:
    """A path as people name it."""
    return path.relative_to(ROOT).as_posix()


def page(name: str) -> str:
    """A page of ``docs``."""
    return (DOCS / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of every fenced block."""
    return [(each["language"], each["body"]) for each in _FENCE.finditer(text)]


def headings(text: str, level: int) -> list[str]:
    """The headings of one level, without their code marks."""
    found = _HEADING.finditer(without_code(text))
    return [each["title"].replace("`", "") for each in found if len(each["level"]) == level]


def sections(text: str, level: int) -> dict[str, str]:
    """What stands under each heading of a level, up to the next heading of that level or above."""
    plain = without_code(text)
    found: dict[str, str] = {}
    marks = [each for each in _HEADING.finditer(plain) if len(each["level"]) <= level]
    ends = [*(each.start() for each in marks[1:]), len(plain)]
    for mark, end in zip(marks, ends[: len(marks)], strict=True):
        if len(mark["level"]) == level:
            found[mark["title"].replace("`", "")] = plain[mark.end() : end].strip()
    return found


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown renderer makes of the headings."""
    titles = (each["title"] for each in _HEADING.finditer(without_code(text)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def trees(*folders: str) -> tuple[tuple[Path, ast.Module], ...]:
    """The syntax tree of every Python file below these folders."""
    paths = [path for folder in folders for path in files(".py", under=ROOT / folder)]
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


@cache
def named_tests() -> frozenset[str]:
    """Every test as ``tests/…/test_x.py::test_y``."""
    return frozenset(
        f"{relative(path)}::{name}"
        for path in files(".py", under=ROOT / "tests")
        for name in _TEST.findall(path.read_text(encoding="utf-8"))
    )
