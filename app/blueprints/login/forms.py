"""The forms of signing in."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from app.console.operators import PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS

_CODE_MAX_CHARACTERS = 64


class SignInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Name and password."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=64)])
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


class SetupForm(PasswordForm):
    """The code of the setup link, and the first account."""

    code = StringField(_l("Setup code"), [InputRequired(), Length(max=_CODE_MAX_CHARACTERS)])
    name = StringField(_l("Name"), [InputRequired(), Length(max=64)])


class CodeForm(FlaskForm):  # type: ignore[misc]
    """A code of the phone, or a recovery code."""

    code = StringField(_l("Code"), [InputRequired(), Length(max=_CODE_MAX_CHARACTERS)])


class OfferForm(CodeForm):
    """A code that shows that the phone has the secret that was offered."""

    ticket = HiddenField(validators=[InputRequired()])


class ProofForm(FlaskForm):  # type: ignore[misc]
    """The password or a code, where to go on, and what was about to be sent there."""

    next = HiddenField()
    carried = HiddenField()
    shown = PasswordField(_l("Password"), [InputRequired(), Length(max=PASSWORD_MAX_CHARACTERS)])
