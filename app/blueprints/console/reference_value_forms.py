"""The forms of the pages of reference values."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired


class ReferenceValueForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """One reference value."""

    name = StringField(_l("Name"), [InputRequired(_l("A value has a name."))])
    value = TextAreaField(_l("Value, JSON"), [InputRequired(_l("A value is JSON."))])
    expires_at = StringField(_l("Expires at"))


class ReferenceValueFileForm(FlaskForm):  # type: ignore[misc]
    """A file of reference values."""

    file = FileField(_l("File"), [InputRequired(_l("Choose a file."))])
