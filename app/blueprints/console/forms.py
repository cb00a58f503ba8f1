"""The forms of the pages. What the domain checks is not checked here a second time."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import IntegerField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # stubs lag behind
from wtforms.validators import InputRequired, NumberRange, Optional
from wtforms.widgets import CheckboxInput, HiddenInput, ListWidget

from app.console.permissions import Role


class PolicyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """The text of a policy, and the version that it is an edit of.

    ``policy_id`` is asked for a new attestation policy, ``scope`` for a new resource policy;
    ``revision`` is of the proposal that is revised, 0 when none is.
    """

    policy_id = StringField(_l("Policy id"))
    scope = StringField(_l("Scope"))
    text = TextAreaField(_l("Rego, package policy"))
    comment = StringField(_l("Why"))
    based_on = IntegerField(widget=HiddenInput(), validators=[NumberRange(min=0)])
    revision = IntegerField(
        widget=HiddenInput(), validators=[Optional(), NumberRange(min=0)], default=0
    )


class ExampleForm(FlaskForm):  # type: ignore[misc]
    """An example as JSON, and the revision that it is an edit of, 0 for a new one."""

    document = TextAreaField(_l("Example, JSON"))
    revision = IntegerField(widget=HiddenInput(), validators=[NumberRange(min=0)])


class VerdictForm(FlaskForm):  # type: ignore[misc]
    """Why a proposal is approved, rejected or withdrawn, and the revision that was read."""

    comment = StringField(_l("Why"))
    revision = IntegerField(widget=HiddenInput(), validators=[NumberRange(min=1)])


class CollateralBundleForm(FlaskForm):  # type: ignore[misc]
    """A signed bundle of collateral."""

    file = FileField(_l("Bundle"), [InputRequired(_l("Choose a file."))])


class OperatorForm(FlaskForm):  # type: ignore[misc]
    """A new account."""

    name = StringField(_l("Name"), [InputRequired(_l("An operator has a name."))])
    role = SelectField(_l("Role"), choices=[SelectChoice(role.value) for role in Role])


class RoleForm(FlaskForm):  # type: ignore[misc]
    """Another role for an account."""

    role = SelectField(_l("Role"), choices=[SelectChoice(role.value) for role in Role])


class TokenForm(FlaskForm):  # type: ignore[misc]
    """A new API token; the permissions to choose from are those of whoever asks."""

    label = StringField(_l("What it is for"), [InputRequired(_l("A token has a label."))])
    role = SelectField(_l("Role"), choices=[SelectChoice(role.value) for role in Role])
    days = IntegerField(_l("Days until it expires"), [InputRequired()], default=90)
    permissions = SelectMultipleField(
        _l("Narrowed to"), widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
