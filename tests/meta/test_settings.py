"""Every setting has its heading in the reference, with the default that the code has."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from repository import page, sections

from app import settings as settings_module
from app.settings import Settings

DEFAULT = re.compile(r"^Default: (?P<default>.+?)\.?$", re.MULTILINE)
DOCUMENTED = sections(page("reference/settings.md"), 3)


def settings_of(kind: type, prefix: str = "") -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Every setting that holds a value, with its path; tables are walked into."""
    hints = typing.get_type_hints(kind, vars(settings_module))
    for each in dataclasses.fields(kind):
        table = _table(hints[each.name])
        if table is None:
            yield prefix + each.name, each
        else:
            yield from settings_of(table, f"{prefix}{each.name}.")


def _table(hint: Any) -> type | None:
    """The table that a setting is, or is a list of."""
    if dataclasses.is_dataclass(hint):
        return typing.cast("type", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (tuple, types.UnionType, typing.Union):
        found = (argument for argument in arguments if dataclasses.is_dataclass(argument))
        return typing.cast("type | None", next(found, None))
    return None


SETTINGS = dict(settings_of(Settings))


def default_text(field: dataclasses.Field[Any]) -> str:
    """The default as the reference writes it: TOML, or a word for what TOML cannot say."""
    if field.default_factory is not dataclasses.MISSING:
        return "`{}`"
    if field.default is dataclasses.MISSING:
        return "none, it must be set"
    if field.default is None:
        return "not set"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value, default=str)}`"


def test_the_page_is_complete() -> None:
    """Every setting has a heading, and every heading is a setting."""
    assert sorted(DOCUMENTED) == sorted(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_page_tells_the_default(name: str) -> None:
    """The default on the page is the one of the code."""
    told = DEFAULT.search(DOCUMENTED[name])
    assert told is not None, f"{name} needs a line 'Default: ….'"
    assert told["default"] == default_text(SETTINGS[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_the_page_tells_the_meaning(name: str) -> None:
    """A setting has its type, and a sentence about what it is for."""
    lines = [line for line in DOCUMENTED[name].splitlines() if line]
    assert lines[0].startswith("Type: ")
    assert len(lines) >= 3


@pytest.mark.parametrize("name", [name for name in SETTINGS if ".insecure_" in name])
def test_weakening_settings_say_what_they_give_up(name: str) -> None:
    """Who turns a protection off reads what it protected from."""
    assert "**Insecure:**" in DOCUMENTED[name]
