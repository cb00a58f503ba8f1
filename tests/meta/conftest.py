"""Applications whose routes are looked at, and a summary of how long the code has become."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from flask import Flask
from repository import trees
from servers import AdminKey, settings_table

from app.blueprints.deps import EXTENSION
from app.config import parse_settings

AppBuilder = Callable[..., Flask]
# Where a function or a file is worth a second look; nothing fails there.
LONG_FUNCTION_LINES, LONG_FILE_LINES = 60, 500


@pytest.fixture(scope="session")
def build_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppBuilder]:
    """Builds applications that serve some of the roles; nothing listens."""
    built: list[Flask] = []

    def build(roles: Sequence[str]) -> Flask:
        from app import factory, wiring

        folder = tmp_path_factory.mktemp("-".join(roles))
        AdminKey.make(folder)
        issuer = {"name": "elsewhere", "issuer": "https://as.example"}
        issuer["jwks_url"] = "https://as.example/.well-known/jwks.json"
        table = settings_table(folder, broker={"issuers": [issuer]}) | {"roles": list(roles)}
        settings = parse_settings(table, {})
        wiring.prepare(settings)
        built.append(factory.build(settings))
        return built[-1]

    yield build
    for app in built:
        app.extensions[EXTENSION].close()


@pytest.fixture(scope="session")
def full_app(build_app: AppBuilder) -> Flask:
    """An application with every role."""
    return build_app(["as", "kbs", "console"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long functions and files are: information, not a rule."""
    for folder in ("app", "guest"):
        found = trees(folder)
        functions = sorted(
            (_lines(node), f"{path.name}:{node.name}")
            for path, tree in found
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
        )
        files = sorted((_file_lines(path), path.name) for path, _ in found)
        if functions:
            terminalreporter.write_line(
                f"{folder}: functions {_spread(functions)}, over {LONG_FUNCTION_LINES}: "
                f"{_over(functions, LONG_FUNCTION_LINES)}; files {_spread(files)}, over "
                f"{LONG_FILE_LINES}: {_over(files, LONG_FILE_LINES)}"
            )


def _lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body
    documented = ast.get_docstring(function) is not None
    docstring = (body[0].end_lineno or 0) - body[0].lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def _file_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _spread(sized: list[tuple[int, str]]) -> str:
    sizes = [size for size, _ in sized]
    return f"{statistics.median(sizes):g} / {sizes[int(len(sizes) * 0.9)]} lines"


def _over(sized: list[tuple[int, str]], limit: int) -> str:
    return ", ".join(f"{name} ({size})" for size, name in sized if size > limit) or "none"
