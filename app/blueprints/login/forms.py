"""The forms of signing in."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from app.console.operators import PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS


class SignInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Name and password."""

    name = StringField("Name", [InputRequired(), Length(max=64)])
    password = PasswordField("Password", [InputRequired(), Length(max=PASSWORD_MAX_CHARACTERS)])


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, twice."""

    password = PasswordField(
        "New password",
        [
            InputRequired(),
            Length(
                PASSWORD_MIN_CHARACTERS,
                PASSWORD_MAX_CHARACTERS,
                f"A password has at least {PASSWORD_MIN_CHARACTERS} characters.",
            ),
        ],
    )
    repeated = PasswordField(
        "The same again",
        [InputRequired(), EqualTo("password", "The two passwords differ.")],
    )
