"""The forms of the pages of secrets."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # stubs lag behind
from wtforms.validators import InputRequired, NumberRange
from wtforms.widgets import HiddenInput

# What each recipe of app/console/recipes.py is offered as.
_RECIPES = {
    "bytes-32": _l("32 random bytes"),
    "bytes-64": _l("64 random bytes"),
    "base64-32": _l("32 random bytes as base64"),
    "hex-32": _l("32 random bytes as hex"),
    "passphrase": _l("a passphrase of 43 characters"),
    "uuid": _l("a random UUID"),
}


class SecretForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Where a secret goes, and what it is: a file when there is one, otherwise the text.

    ``based_on`` is the number of the newest version that the form was filled in for.
    """

    path = StringField(_l("Path: repository/type/tag"), [InputRequired(_l("A secret has a path."))])
    based_on = IntegerField(widget=HiddenInput(), validators=[NumberRange(min=0)])
    origin = RadioField(
        _l("Where the value comes from"),
        choices=[
            SelectChoice("text", _l("the text below")),
            SelectChoice("file", _l("a file")),
            SelectChoice("generated", _l("made here")),
        ],
        default="text",
    )
    text = TextAreaField(_l("Text"))
    file = FileField(_l("File"))
    recipe = SelectField(
        _l("Made as"), choices=[SelectChoice(name, label) for name, label in _RECIPES.items()]
    )
