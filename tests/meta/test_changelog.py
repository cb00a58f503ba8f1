"""News fragments: one file a change, of a known category, in full sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repository import ROOT, files, page

FOLDER = ROOT / "changelog.d"
CATEGORIES = ("added", "changed", "deprecated", "removed", "fixed", "security")
NAME = re.compile(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(CATEGORIES)})\.md")
FRAGMENTS = [path for path in files(".md", under=FOLDER) if path.name != "README.md"]


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragments_are_well_formed(path: Path) -> None:
    """``what-changed.category.md``, holding sentences for users."""
    assert NAME.fullmatch(path.name)
    text = path.read_text(encoding="utf-8").strip()
    assert text[:1].isupper() or text.startswith("`")
    assert text.endswith(".")


def test_the_categories_are_explained() -> None:
    """The page about fragments lists every category."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [category for category in CATEGORIES if f"`{category}`" not in text] == []


def test_decision_records_are_numbered_and_listed() -> None:
    """Every record has the headings of the template and stands in the list."""
    listed = page("decisions/README.md")
    wanted = ["Context", "Options", "Choice", "Consequence"]
    for path in files(".md", under=ROOT / "docs" / "decisions"):
        if path.name in {"README.md", "template.md"}:
            continue
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), path.name
        found = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert found == wanted, path.name
        assert f"({path.name})" in listed, path.name
