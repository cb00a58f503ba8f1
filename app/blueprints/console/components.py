"""The page of components: each of them in each of its states, for whoever changes the console.

A component is a file in ``templates/console/components``; the page shows it and its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    FileField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # stubs lag behind

from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.words import STATES
from app.console.permissions import Permission
from app.console.policy_texts import SourceLine, compare

_NAMES = (
    *("head", "buttons", "states", "notices", "fields", "faults", "filters", "table", "tabs"),
    *("figures", "facts", "code", "diff", "tree", "progress", "empty", "confirm", "danger"),
    *("terminal", "icons"),
)
_LINES = (
    SourceLine(1, "package policy"),
    SourceLine(2, "default allow := false", "reached", "✓"),
    SourceLine(3, "allow if input.ok", "unreached", "✗"),
    SourceLine(4, "allow := }", "fault", "▸"),
)
_ICON_NAME = re.compile(r'<symbol id="([a-z-]+)"')


@dataclass(frozen=True, slots=True)
class Example:
    """One component, and the text of the template that shows it."""

    name: str
    source: str

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.name.capitalize()


class _ExampleForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A field of every kind."""

    name = StringField("Name")
    text = TextAreaField("Text")
    choice = SelectField("Role", choices=[SelectChoice("viewer"), SelectChoice("owner")])
    file = FileField("File")
    origin = RadioField(
        "Where it comes from", choices=[SelectChoice("text"), SelectChoice("file")], default="text"
    )
    agreed = BooleanField("Release to every guest")


def add_to(bp: Blueprint) -> None:
    """Add the route."""

    @bp.get("/components")
    @access(Permission.COMPONENT_READ)
    def components() -> ResponseReturnValue:
        return render_template(
            "console/components.html",
            examples=[Example(name, _source(name)) for name in _NAMES],
            states=STATES,
            icons=_icons(),
            lines=_LINES,
            rows=compare("allow := false\nsame", "allow := true\nsame\nmore"),
            form=_ExampleForm(prefix="plain"),
            faulty=_faulty(),
            now=services().clock.now(),
        )


def _faulty() -> FlaskForm:
    form = _ExampleForm(prefix="faulty")
    form.name.data = "an operator's name"
    form.name.errors = ["A name has no spaces."]
    form.choice.errors = ["Only an owner may give this role."]
    form.agreed.errors = ["Say that this is what you want."]
    return form


def _source(name: str) -> str:
    folder = Path(current_app.root_path, "templates", "console", "components")
    return (folder / f"{name}.html").read_text(encoding="utf-8")


def _icons() -> list[str]:
    sprite = Path(current_app.root_path, "static", "icons.svg")
    return _ICON_NAME.findall(sprite.read_text(encoding="utf-8"))
