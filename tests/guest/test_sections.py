"""Reading a configuration whole."""

from __future__ import annotations

from typing import Any

import pytest

from guest.sections import Section


def read(members: dict[str, Any]) -> tuple[Section, list[str]]:
    """A section and where its faults go."""
    faults: list[str] = []
    return Section(members, faults, "part."), faults


@pytest.mark.parametrize("value", [1, True, [], {}, ""])
def test_notes_what_is_no_text(value: Any) -> None:
    """With its whole key."""
    section, faults = read({"a": value})
    assert section.text("a") is None
    assert faults == ["part.a: must be text that is not empty"]


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_notes_what_is_no_flag(value: Any) -> None:
    """Only true and false are flags, and a fault is false."""
    section, faults = read({"a": value})
    assert section.flag("a") is False
    assert len(faults) == 1


@pytest.mark.parametrize("value", [0, -1, 11, True, "5", float("nan"), float("inf"), []])
def test_notes_what_is_no_duration(value: Any) -> None:
    """Above zero, up to the bound, and no boolean."""
    section, faults = read({"a": value})
    assert section.seconds("a", 5.0, 10.0) == 5.0
    assert len(faults) == 1


def test_notes_choices_and_tables_and_what_nobody_took() -> None:
    """Every fault, in one go."""
    section, faults = read({"a": "x", "b": "text", "c": 1, "d": {"e": 2}})
    assert section.choice("a", ("y", "z")) is None
    assert section.section("b") is None
    inner = section.section("d")
    assert inner is not None
    inner.close()
    section.close()
    assert faults == [
        "part.a: must be one of y, z",
        "part.b: must be a table",
        "part.d.e: is no setting",
        "part.c: is no setting",
    ]


def test_reads_what_is_right() -> None:
    """And what is missing is nothing, not a fault."""
    section, faults = read({"a": "x", "b": True, "c": 2, "d": {}})
    assert (section.text("a"), section.flag("b"), section.seconds("c", 1, 9)) == ("x", True, 2.0)
    assert section.section("d") is not None
    assert (section.text("z"), section.flag("z"), section.section("z")) == (None, False, None)
    section.close()
    assert faults == []


@pytest.mark.parametrize("value", ["a", [""], ["a", 1], [["a"]], {"a": 1}, 5])
def test_lists_of_texts_hold_nothing_else(value: Any) -> None:
    """Not even an empty text; a text is no list."""
    faults: list[str] = []
    assert Section({"x": value}, faults).texts("x") is None
    assert faults == ["x: must be a list of texts that are not empty"]


@pytest.mark.parametrize("value", ["1", [True], [-1], [11], [1.0], 5, ["1"]])
def test_lists_of_numbers_hold_nothing_else(value: Any) -> None:
    """Neither truths nor what is out of range."""
    faults: list[str] = []
    assert Section({"x": value}, faults).numbers("x", 10) is None
    assert faults == ["x: must be a list of whole numbers from 0 to 10"]


def test_lists_are_taken_in_order() -> None:
    """An empty one says something else than a missing one."""
    section = Section({"a": ["x", "y"], "b": [0, 10], "c": [], "d": []}, [])
    assert (section.texts("a"), section.numbers("b", 10)) == (("x", "y"), (0, 10))
    assert (section.texts("c"), section.numbers("d", 10)) == ((), ())
    assert (section.texts("e"), section.numbers("e", 10)) == (None, None)
