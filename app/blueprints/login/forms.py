"""The forms of signing in."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from app.console.operators import PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS


class SignInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Name and password."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=64)])
    password = PasswordField(_l("Password"), [InputRequired(), Length(max=PASSWORD_MAX_CHARACTERS)])


class ProofForm(FlaskForm):  # type: ignore[misc]
    """The password again, where to go on, and what was about to be sent there."""

    next = HiddenField()
    carried = HiddenField()
    password = PasswordField(_l("Password"), [InputRequired(), Length(max=PASSWORD_MAX_CHARACTERS)])


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, twice."""

    password = PasswordField(
        _l("New password"),
        [
            InputRequired(),
            Length(
                PASSWORD_MIN_CHARACTERS,
                PASSWORD_MAX_CHARACTERS,
                _l("A password has at least %(count)d characters.", count=PASSWORD_MIN_CHARACTERS),
            ),
        ],
    )
    repeated = PasswordField(
        _l("The same again"),
        [InputRequired(), EqualTo("password", _l("The two passwords differ."))],
    )
