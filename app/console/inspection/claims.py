"""Claims with their meaning: the dictionary's for evidence, the specifications' for tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.attestation.claim_dictionary import find_claim
from app.attestation.claim_dictionary.claims import Claim, Direction
from app.trust.json_types import JSONObject, JSONValue

# A page lists so many; evidence of devices can have thousands.
MAX_LINES = 500

# RFC 7519 4.1; RFC 9711 (EAT); draft-ietf-rats-ear; wire.md section 9.
TOKEN_CLAIMS = {
    "iss": "who signed it; a KBS looks its keys up by this name",
    "aud": "whom it was made for",
    "sub": "what it is about",
    "exp": "from when on it is not good any more",
    "nbf": "from when on it is good",
    "iat": "when it was signed",
    "jti": "its id; decision records name it",
    "eat_profile": "the form of the token (EAT profile)",
    "eat_nonce": "the nonce that shows the evidence was fresh",
    "ear.verifier-id": "which software appraised the evidence",
    "submods": "the appraisals, one for each environment",
    "ear.vouchgate.freshness": "whether a nonce showed that the evidence was made for this token",
    "ear.raw-evidence": "the evidence itself, for whoever wants to look again",
}
# The tops of annotated evidence that are not the TEE's own (wire.md 9.4).
_TOPS = ("report_data", "init_data")


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One value.

    Attributes:
        path: as a policy writes it, from ``input`` on.
        value: any JSON but a list or an object with something in it.
        claim: what the dictionary says, if it knows the claim.
    """

    path: str
    value: JSONValue
    claim: Claim | None


def evidence_lines(
    tee: str, annotated: JSONObject, *, was_compared: bool = True
) -> list[ClaimLine]:
    """The annotated evidence of one environment, value by value.

    Args:
        tee: the wire name under which the verifier's claims stand.
        annotated: as a policy sees it.
        was_compared: whether what the evidence is bound to was compared, as it is for a token.
    """
    lines = []
    for path, value in _leaves(annotated, ""):
        prefix = f"{tee}." if path.startswith(f"{tee}.") else f'["{tee}"].'
        own = path.removeprefix(prefix)
        known = find_claim(tee, own) if own != path or own in _TOPS else None
        if known is not None and own in _TOPS and not was_compared:
            known = replace(known, direction=Direction.INFORMATIVE)
        lines.append(ClaimLine(path, value, known))
        if len(lines) == MAX_LINES:
            break
    return lines


def _leaves(value: JSONValue, at: str) -> Iterator[tuple[str, JSONValue]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(member, _member(at, name))
    elif isinstance(value, list) and value:
        for index, member in enumerate(value):
            yield from _leaves(member, f"{at}[{index}]")
    else:
        yield at, value


def _member(at: str, name: str) -> str:
    if not name.isidentifier():
        return f'{at}["{name}"]'
    return f"{at}.{name}" if at else name
