"""The forms of the pages. What the domain checks is not checked here a second time."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField, TextAreaField
from wtforms.validators import NumberRange
from wtforms.widgets import HiddenInput


class PolicyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """The text of a policy, and the version that it is an edit of."""

    policy_id = StringField("Policy id")
    text = TextAreaField("Rego, package policy")
    based_on = IntegerField(widget=HiddenInput(), validators=[NumberRange(min=0)])
