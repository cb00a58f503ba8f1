"""Evidence as operators have it: a guest's request, or the bare evidence of one TEE."""

from __future__ import annotations

from app.attestation.service import evidence_items
from app.broker.handshake import evidence_items as items_of_attestation
from app.trust.appraiser import EvidenceItem
from app.trust.errors import MalformedRequestError
from guest.wire.encoding import b64_decode, b64url_decode
from guest.wire.errors import WireError
from guest.wire.messages import parse_attestation, parse_attestation_evaluation
from guest.wire.strict_json import parse_json

# Evidence of devices is long; more than a request may carry is no evidence of a request.
MAX_CHARACTERS = 2 * 1024 * 1024


def parse_evidence(text: str, tee: str | None) -> list[EvidenceItem]:
    """The pieces of evidence in a text, the primary first.

    Args:
        text: the body of ``POST /kbs/v0/attest`` or ``POST /attestation``, or the evidence of one
            TEE as JSON, or as base64 or base64url of JSON.
        tee: the wire name of the primary TEE; only ``POST /attestation`` says it itself.

    Raises:
        MalformedRequestError: it is none of these, or the TEE has to be told.
    """
    if len(text) > MAX_CHARACTERS:
        raise MalformedRequestError(f"evidence has at most {MAX_CHARACTERS} characters")
    try:
        value = _json(text.strip())
        if isinstance(value, dict) and "verification_requests" in value:
            return evidence_items(parse_attestation_evaluation(value))
        if not tee:
            raise MalformedRequestError("the TEE has to be told: the text does not say it")
        if isinstance(value, dict) and "tee-evidence" in value:
            return list(items_of_attestation(tee, parse_attestation(value)))
    except WireError as error:
        raise MalformedRequestError(str(error)) from error
    return [EvidenceItem(tee, value)]


def _json(text: str) -> object:
    """JSON, or base64 of JSON."""
    if text.startswith(("{", "[", '"')):
        return parse_json(text)
    joined = "".join(text.split())
    for decode in (b64_decode, b64url_decode):
        try:
            decoded = decode(joined)
        except WireError:
            continue
        return parse_json(decoded)
    raise WireError("the evidence is neither JSON nor base64 of JSON")
