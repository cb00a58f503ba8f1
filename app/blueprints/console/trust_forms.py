"""The forms of the trust pages. What the domain checks is not checked here a second time."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, IntegerField, StringField, TextAreaField
from wtforms.validators import InputRequired, NumberRange

from app.broker.stored_issuers import MAX_LEEWAY_SECONDS
from app.console.issuer_requests import parse_key_set_text
from app.trust.json_types import JSONObject


class DiscoveryForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Where an issuer publishes its keys."""

    url = StringField(_l("Address"), [InputRequired(_l("An issuer elsewhere has an address."))])
    tls_ca = TextAreaField(_l("Authorities of the address, PEM"))


class IssuerForm(FlaskForm):  # type: ignore[misc]
    """What a token of an issuer needs."""

    name = StringField(_l("Name"), [InputRequired(_l("An issuer has a name."))])
    issuer = StringField(_l("Its iss"))
    algorithms = StringField(_l("Algorithms"), default="ES256")
    audience = StringField(_l("Required aud"))
    leeway_seconds = IntegerField(
        _l("Leeway, seconds"),
        [
            NumberRange(
                0, MAX_LEEWAY_SECONDS, _l("The leeway is a whole number of seconds, up to 600.")
            )
        ],
        default=60,
    )
    tee_key_paths = StringField(_l("Where the TEE key is"))

    def as_json(self) -> JSONObject:
        """The request that programs send."""
        return {
            "name": self.name.data or "",
            "issuer": self.issuer.data or "",
            "algorithms": _words(self.algorithms.data),
            "audience": self.audience.data or "",
            "leeway_seconds": self.leeway_seconds.data,
            "tee_key_paths": _words(self.tee_key_paths.data),
        }


class AddressForm(IssuerForm):
    """An issuer whose keys are fetched; the thumbprints are those that were shown."""

    url = HiddenField()
    tls_ca = HiddenField()
    thumbprints = HiddenField()

    def as_json(self) -> JSONObject:
        """The request that programs send."""
        return {
            **super().as_json(),
            "url": self.url.data or "",
            "tls_ca": self.tls_ca.data or "",
            "thumbprints": _words(self.thumbprints.data),
        }


class KeySetForm(IssuerForm):
    """An issuer whose keys are given."""

    key_set = TextAreaField(_l("JWK set"), [InputRequired(_l("Paste the key set."))])

    def as_json(self) -> JSONObject:
        """The request that programs send.

        Raises:
            IssuerUnusableError: the key set is no JSON.
        """
        return {**super().as_json(), "key_set": parse_key_set_text(self.key_set.data or "")}


class AuthorityForm(IssuerForm):
    """An issuer whose tokens carry a certificate chain."""

    certificates = TextAreaField(
        _l("Certificates, PEM"), [InputRequired(_l("Paste the certificates."))]
    )

    def as_json(self) -> JSONObject:
        """The request that programs send."""
        return {**super().as_json(), "certificates": self.certificates.data or ""}


class TokenForm(FlaskForm):  # type: ignore[misc]
    """A token to look at."""

    token = TextAreaField(_l("Token"), [InputRequired(_l("Paste a token."))])


def _words(text: str | None) -> list[str]:
    return (text or "").replace(",", " ").split()
