"""Guests that attested lately, as recorded decisions know them.

A guest has no name. Two decisions are about the same one when what was verified is the same but for
what makes evidence fresh: on the same machine, the same image under the same firmware.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.broker.annotated_evidence import measurement_of
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, DecisionStore, Outcome
from app.trust.json_types import JSONObject, JSONValue

# How many of the newest decisions are looked at, and how many different tokens of them are opened.
_LOOKED_AT = 500
_OPENED = 150
# Members that differ each time that the same guest attests.
_FRESH = frozenset(
    {
        *("report_data", "runtime_data_claims", "nonce", "eat_nonce", "mnonce", "anonce"),
        *("session_nonce", "cca-realm-challenge", "user_data", "userdata"),
    }
)
_EVIDENCE = "ear.veraison.annotated-evidence"


@dataclass(frozen=True, slots=True)
class AttestedGuest:
    """A guest whose evidence was verified.

    Attributes:
        at: when, the last time that is recorded.
        tee: wire name of its primary TEE.
        measurement: of what was launched, as its TEE writes it; empty when that is not known.
        status: of its appraisal then, such as ``affirming``.
        policy_id: of the attestation policies that it was appraised by.
        issuer: of its token.
        decision_id: where this was recorded.
        claims: of its token, nonces replaced by digests.
    """

    at: datetime
    tee: str | None
    measurement: str
    status: str
    policy_id: str
    issuer: str
    decision_id: str
    claims: JSONObject = field(repr=False)

    @property
    def identity(self) -> str:
        """The same for decisions about the same guest; SHA-256, hex."""
        lasting = [self.issuer, _lasting(self.claims.get("submods"))]
        return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def recent_guests(decisions: DecisionStore, most: int = 50) -> list[AttestedGuest]:
    """The last different guests, newest first.

    Args:
        decisions: what was recorded.
        most: at most this many.
    """
    found: dict[str, AttestedGuest] = {}
    for record in _newest_of_each_token(decisions):
        guest = guest_of(record)
        if guest is not None:
            found.setdefault(guest.identity, guest)
        if len(found) == most:
            break
    return list(found.values())


def guest_of(record: DecisionRecord) -> AttestedGuest | None:
    """The guest that a whole record is about; ``None`` when nothing of one was verified."""
    claims = _claims(record)
    if claims is None:
        return None
    submods = claims.get("submods")
    primary = submods.get("cpu0") if isinstance(submods, dict) else None
    about = primary if isinstance(primary, dict) else {}
    return AttestedGuest(
        at=record.at,
        tee=record.tee,
        measurement=measurement_of(claims) or "",
        status=str(about.get("ear.status", "")),
        policy_id=str(about.get("ear.appraisal-policy-id", "")),
        issuer=record.issuer or "",
        decision_id=record.decision_id,
        claims=claims,
    )


def _newest_of_each_token(decisions: DecisionStore) -> Iterator[DecisionRecord]:
    """Whole records, newest first, one for each token."""
    heads = decisions.page(DecisionQuery(kind=DecisionKind.RELEASE, limit=_LOOKED_AT))
    heads += decisions.page(
        DecisionQuery(kind=DecisionKind.APPRAISAL, outcome=Outcome.ALLOWED, limit=_LOOKED_AT)
    )
    seen: set[tuple[str | None, str | None]] = set()
    for head in sorted(heads, key=lambda each: each.decision_id, reverse=True):
        token = (head.issuer, head.token_id or head.decision_id)
        if token not in seen and len(seen) < _OPENED:
            seen.add(token)
            record = decisions.find(head.decision_id)
            if record is not None:
                yield record


def _claims(record: DecisionRecord) -> JSONObject | None:
    """What a resource policy sees of the guest: the claims of its token."""
    if record.kind is DecisionKind.RELEASE:
        claims = record.inputs.get("claims")
    elif "submods" in record.inputs:
        claims = _rebuilt(record)
    else:
        # What a remote Attestation Service judged is recorded as the token that it signed.
        claims = record.result.get("claims")
    return claims if isinstance(claims, dict) else None


def _rebuilt(record: DecisionRecord) -> JSONObject:
    """The claims of the token that an appraisal made, as far as a policy asks for them."""
    submods: JSONObject = {}
    for name, judged in record.inputs["submods"].items():
        result = record.result.get(name, {})
        submods[name] = {
            "ear.status": result.get("status"),
            "ear.trustworthiness-vector": result.get("trust_vector", {}),
            "ear.appraisal-policy-id": record.subject,
            **result.get("extensions", {}),
            _EVIDENCE: judged["input"],
        }
    issued = int(record.at.timestamp())
    return {"iss": record.issuer, "jti": record.token_id, "iat": issued, "submods": submods}


def _lasting(value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        return {name: _lasting(each) for name, each in value.items() if name not in _FRESH}
    if isinstance(value, list):
        return [_lasting(each) for each in value]
    return value
