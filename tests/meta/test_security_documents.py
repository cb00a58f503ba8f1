"""The threat model names tests that exist, and every threat has at least one."""

from __future__ import annotations

import re

import pytest
from repository import named_tests, page

MODEL = page("security/threat-model.md")
NAMED = re.compile(r"`(?P<test>tests/[\w/.]+\.py::\w+)`")
ROW = re.compile(r"^\| (?P<id>[TU]\d+) \|(?P<rest>.*)\|$", re.MULTILINE)
# The numbers of what is known to be weak in attestation services and verifiers elsewhere.
OF_VERIFIERS = range(30, 50)


def test_every_named_test_exists() -> None:
    """A counter-measure is only as good as the test that shows it."""
    named = {found["test"] for found in NAMED.finditer(MODEL)}
    assert named
    assert sorted(named - named_tests()) == []


def test_every_threat_names_a_test() -> None:
    """No row of the tables is without one."""
    rows = list(ROW.finditer(MODEL))
    assert len(rows) > 20
    assert [row["id"] for row in rows if not NAMED.search(row["rest"])] == []


@pytest.mark.parametrize("number", OF_VERIFIERS)
def test_every_weakness_of_verifiers_elsewhere_has_its_test(number: int) -> None:
    """None of the list is passed over, because it is not ours or is thought to be."""
    rows = [row["rest"] for row in ROW.finditer(MODEL) if row["id"] == f"U{number}"]
    assert len(rows) == 1
    assert NAMED.search(rows[0])


def test_threats_are_numbered_once() -> None:
    """A threat can be cited by its number."""
    ids = [row["id"] for row in ROW.finditer(MODEL)]
    assert sorted(ids) == sorted(set(ids))


def test_the_model_says_what_it_leaves_out() -> None:
    """A threat model without limits would be a promise that nobody can keep."""
    assert "## Out of scope" in MODEL
