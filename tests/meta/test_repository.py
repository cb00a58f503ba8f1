"""The house as a whole: pure rooms, telling names, no strangers' addresses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT, files, relative, texts

# Addresses of package indexes and registries, in halves so that this file does not name them.
REGISTRIES = [
    ".".join(halves)
    for halves in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("crates", "io"),
        ("anaconda", "org"),
        ("registry.k8s", "io"),
        ("proxy.golang", "org"),
        ("mcr.microsoft", "com"),
        ("public.ecr", "aws"),
        ("rubygems", "org"),
    )
]
# Names that say nothing (docs/glossary.md has the words that do).
EMPTY_NAME = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common|stuff)(_|$)")
DOMAIN = ("app.trust", "app.attestation", "app.broker")
FRAMEWORKS = ("flask", "sqlalchemy", "flask_sqlalchemy", "werkzeug", "alembic")
SERVER = ("app", "flask", "sqlalchemy", "joserfc", "pydantic", "regorus")

REQUIREMENTS = list(files(under=ROOT / "requirements"))

PURE_IMPORT = """
import importlib, pkgutil, sys
blocked = set({blocked!r})

class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError("imports " + name)

sys.meta_path.insert(0, Refuser())
for package in {packages!r}:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, package + "."):
        importlib.import_module(found.name)
"""


def import_all(packages: tuple[str, ...], blocked: tuple[str, ...]) -> str:
    """Import every module of some packages where others cannot be had; what went wrong."""
    script = PURE_IMPORT.format(packages=packages, blocked=blocked)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stderr


def test_the_domain_needs_no_framework() -> None:
    """Trust, attestation and broker load where Flask and SQLAlchemy do not exist."""
    assert import_all(DOMAIN, FRAMEWORKS) == ""


def test_the_guest_needs_nothing_of_the_server() -> None:
    """The guest loads where the server and its dependencies do not exist."""
    assert import_all(("guest",), SERVER) == ""


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the business of whoever installs."""
    named = [
        f"{relative(path)}: {registry}"
        for path, text in texts()
        for registry in REGISTRIES
        if registry in text
    ]
    assert named == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_have_no_addresses(path: Path) -> None:
    """Names, versions and hashes only."""
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["server", "guest", "test"])
def test_every_locked_package_has_a_hash(name: str) -> None:
    """A package that is not the one that was locked is not installed."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    pins = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pins
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_no_file_has_an_empty_name() -> None:
    """A file is found by what is in it."""
    empty = [
        relative(path)
        for path in files(".py", ".js", ".html", ".md")
        if EMPTY_NAME.search(path.stem)
        or any(EMPTY_NAME.search(part) for part in path.parts[-3:-1])
    ]
    assert empty == []


def test_nothing_is_left_for_later() -> None:
    """What is left to do stands in an issue, not in the code."""
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    found = [relative(path) for path, text in texts(".py", ".html", ".rego") if marks.search(text)]
    assert found == []
