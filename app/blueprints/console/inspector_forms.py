"""The forms of the inspector."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # stubs lag behind
from wtforms.validators import InputRequired

from guest.wire.digests import HASH_ALGORITHMS


class EvidenceForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Evidence to look at, and the TEE that it is from."""

    tee = SelectField(_l("TEE"), choices=[])
    evidence = TextAreaField(_l("Evidence"), [InputRequired(_l("Paste evidence."))])


class InitDataForm(FlaskForm):  # type: ignore[misc]
    """A document to look at."""

    init_data = TextAreaField(
        _l("Init data, TOML or annotation"), [InputRequired(_l("Paste init data."))]
    )


class URIForm(FlaskForm):  # type: ignore[misc]
    """A resource URI to look at."""

    uri = StringField(_l("Resource URI"), [InputRequired(_l("Write a resource URI."))])


class ComposerForm(FlaskForm):  # type: ignore[misc]
    """What goes into init data."""

    kbs_url = StringField(_l("Address of the KBS"), [InputRequired(_l("A guest needs a KBS."))])
    as_url = StringField(_l("Address of the AS"))
    certificate = TextAreaField(_l("Their authority, PEM"))
    algorithm = SelectField(
        _l("Hash algorithm"), choices=[SelectChoice(name) for name in HASH_ALGORITHMS]
    )
    image_policy_uri = StringField(_l("Image security policy"))
    registry_credentials_uri = StringField(_l("Registry credentials"))
    agent_policy = TextAreaField(_l("Policy of kata's agent, Rego"))
