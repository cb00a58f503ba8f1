"""What pages do, REST and commands do: a table that names every form, and says where none does."""

from __future__ import annotations

import re

import click
import pytest
from flask import Flask
from interface import OPERATIONS
from repository import page, sections

from app.cli import main

_ROW = re.compile(r"^\| `(?P<form>/console[^`]*)` \|(?P<cells>.*)\|$", re.MULTILINE)
_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
_TEXT = sections(page("reference/endpoints.md"), 2)["Pages, REST and the terminal"]
ROWS = [
    (row["form"], *(cell.strip(" `") for cell in row["cells"].split("|")))
    for row in _ROW.finditer(_TEXT)
]


def test_every_form_is_in_the_table_once(full_app: Flask) -> None:
    """A form that is new needs its line, and one that is gone loses it."""
    forms = {
        _ARGUMENT.sub(r"{\1}", route.rule)
        for route in full_app.url_map.iter_rules()
        if route.endpoint.partition(".")[0] in {"console", "login"}
        and "POST" in (route.methods or ())
    }
    assert [form for form, *_ in ROWS] == sorted(forms)


@pytest.mark.parametrize(("form", "operation", "command", "reason"), ROWS)
def test_what_a_form_does_is_done_elsewhere(
    form: str, operation: str, command: str, reason: str
) -> None:
    """By an operation that is described and a command that is there, or it says why not."""
    assert operation == "" or operation in OPERATIONS, form
    assert command == "" or _is_command(command.split()[1:]), form
    assert ("" in {operation, command}) == (reason != ""), form


def _is_command(names: list[str]) -> bool:
    found: click.Command | None = main
    for name in names:
        if not isinstance(found, click.Group):
            return False
        found = found.get_command(click.Context(found), name)
    return found is not None
