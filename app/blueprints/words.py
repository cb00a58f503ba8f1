"""States in words: what a template prints for each, and whether it is good news.

States are values of the domain and of the wire (``affirming``, ``denied``); what people read is
translated here, and nowhere else.
"""

from __future__ import annotations

from flask import Flask
from flask_babel import format_number
from flask_babel import lazy_gettext as _l

from app.console.reasons import explained

_GOOD = {
    "active": _l("active"),
    "affirming": _l("affirming"),
    "allowed": _l("allowed"),
    "applied": _l("carried out"),
    "approved": _l("approved"),
    "current": _l("current"),
    "fresh": _l("fresh"),
    "met": _l("met"),
    "policy-allowed": _l("policy-allowed"),
    "reachable": _l("reachable"),
    "valid": _l("valid"),
    "works": _l("works"),
}
_BAD = {
    "broken": _l("broken"),
    "contraindicated": _l("contraindicated"),
    "denied": _l("denied"),
    "expired": _l("expired"),
    "failed": _l("failed"),
    "invalid": _l("invalid"),
    "missing": _l("missing"),
    "policy-denied": _l("policy-denied"),
    "refused": _l("refused"),
    "rejected": _l("rejected"),
    "revoked": _l("revoked"),
    "unreachable": _l("unreachable"),
}
_WARN = {
    "ageing": _l("ageing"),
    "differs": _l("differs"),
    "expiring": _l("expiring"),
    "insecure": _l("insecure"),
    "locked": _l("locked"),
    "one-time": _l("one-time password"),
    "pending": _l("pending"),
    "retired": _l("retired"),
    "stale": _l("stale"),
    "warning": _l("warning"),
}
_INFO = {
    "added": _l("added"),
    "draft": _l("draft"),
    "next": _l("next"),
    "open": _l("open"),
}
_PLAIN = {
    "appraisal": _l("appraisal"),
    "certificate": _l("certificate"),
    "collateral": _l("collateral"),
    "deleted": _l("deleted"),
    "disabled": _l("disabled"),
    "none": _l("none"),
    "not known": _l("not known"),
    "read": _l("read"),
    "reference value": _l("reference value"),
    "release": _l("release"),
    "undecided": _l("undecided"),
    "renewed": _l("renewed"),
    "replaced": _l("replaced"),
    "signing key": _l("signing key"),
    "withdrawn": _l("withdrawn"),
}
_WORDS = _GOOD | _BAD | _WARN | _INFO | _PLAIN
STATES = tuple(_WORDS)
_TONES = {
    **dict.fromkeys(_GOOD, "good"),
    **dict.fromkeys(_BAD, "bad"),
    **dict.fromkeys(_WARN, "warn"),
    **dict.fromkeys(_INFO, "info"),
}


def register(app: Flask) -> None:
    """Give templates the filters ``word``, ``tone``, ``reason`` and ``grouped``."""
    app.add_template_filter(word)
    app.add_template_filter(tone)
    app.add_template_filter(explained, "reason")
    app.add_template_filter(format_number, "grouped")


def word(state: object) -> str:
    """What a state is called for people; one without a translation keeps its own name."""
    return str(_WORDS.get(str(state), state))


def tone(state: object) -> str:
    """``good``, ``bad``, ``warn`` or ``info``; ``plain`` for what is neither."""
    return _TONES.get(str(state), "plain")
