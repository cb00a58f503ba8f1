"""Remedies and their risks in sentences, for pages, REST and the terminal alike."""

from __future__ import annotations

import json

from app.console.remedies import (
    GuestRemedy,
    PolicyRemedy,
    Rank,
    ReferenceValueRemedy,
    Remedy,
    RollBack,
    SecretRemedy,
)
from app.trust.json_types import JSONValue
from app.trust.sentences import Text, marked

_REGISTER = {
    "missing": marked(
        "Register %(value)s under %(name)s. The claim %(claim)s is %(actual)s, and nothing "
        "is registered."
    ),
    "expired": marked(
        "Register %(value)s under %(name)s. The claim %(claim)s is %(actual)s, and what was "
        "registered, %(expected)s, had expired."
    ),
    "differs": marked(
        "Register %(value)s under %(name)s. The claim %(claim)s is %(actual)s, and what is "
        "registered is %(expected)s."
    ),
}
_RENEW = marked(
    "Renew %(name)s. Its value %(value)s accepts the claim %(claim)s, %(actual)s, but had expired."
)
_GUEST = {
    "evidence": marked(
        "Start a guest, on a machine, whose %(claim)s is %(wanted)s. It is %(actual)s."
    ),
    "token": marked("Present a token that has %(wanted)s as %(claim)s. It has %(actual)s."),
    "request": marked("Ask with %(wanted)s as %(claim)s. It was %(actual)s."),
}
_POLICY = marked(
    "Have line %(line)s of %(policy)s ask for less: %(replacement)s in the place of %(text)s."
)
_ROLL_BACK = marked("Go back to version %(version)s of %(policy)s, which would have allowed it.")
_SET_DEFAULT = marked(
    "Set a resource policy: none is set. The one that comes with this server allows it."
)
_SECRET = {
    "write": marked("Write the secret %(path)s: it does not exist."),
    "restore": marked(
        "Restore the secret %(path)s: it was deleted, and version %(version)s is here still."
    ),
}
_RISKS = {
    Rank.SECRET: marked("Every guest that the resource policy allows it to gets the secret."),
    Rank.GUEST: marked("Nothing is loosened here: the guest becomes what is expected of it."),
    Rank.RENEW: marked("Every guest that the value accepted before is accepted again."),
    Rank.REGISTER: marked(
        "Every guest with this value is trusted as much. Take values from what you "
        "built, or what its vendor published, and not from the guest alone."
    ),
    Rank.OTHER_GUEST: marked("Nothing is loosened here: the guest becomes what is expected of it."),
    Rank.LINE: marked("The policy asks less of every guest that it is about."),
    Rank.ROLL_BACK_ATTESTATION: marked(
        "What the newer version was made for is undone, for every guest."
    ),
    Rank.VERDICT_LINE: marked(
        "Every guest that was judged so gets every secret that the rule is about."
    ),
    Rank.ROLL_BACK_RELEASE: marked(
        "What the newer version was made for is undone, for every guest."
    ),
}


def told(remedy: Remedy) -> Text:
    """What to do."""
    if isinstance(remedy, ReferenceValueRemedy):
        message = _RENEW if remedy.rank is Rank.RENEW else _REGISTER[remedy.state]
        values = {"name": remedy.name, "claim": remedy.claim, "value": shown(remedy.value)}
        values |= {"actual": shown(remedy.actual), "expected": shown(remedy.expected)}
        return Text(message, values)
    if isinstance(remedy, GuestRemedy):
        values = {"claim": remedy.claim, "wanted": shown(remedy.wanted)}
        return Text(_GUEST[remedy.root], values | {"actual": shown(remedy.actual)})
    if isinstance(remedy, PolicyRemedy):
        place = remedy.place
        values = {"line": str(place.line), "policy": place.policy_id, "text": place.text}
        return Text(_POLICY, values | {"replacement": remedy.replacement})
    return _told_otherwise(remedy)


def risk_told(remedy: Remedy) -> Text:
    """What it costs."""
    return Text(_RISKS[remedy.rank])


def shown(value: JSONValue) -> str:
    """A value as JSON, long ones shortened in the middle."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 240 else f"{text[:120]}…{text[-60:]}"


def _told_otherwise(remedy: RollBack | SecretRemedy) -> Text:
    if isinstance(remedy, SecretRemedy):
        values = {"path": remedy.path, "version": str(remedy.version)}
        return Text(_SECRET[remedy.action], values)
    if not remedy.version:
        return Text(_SET_DEFAULT)
    return Text(_ROLL_BACK, {"version": str(remedy.version), "policy": remedy.policy_id})
