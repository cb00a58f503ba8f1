"""The handshake behind a decision as messages between the guest and the services.

What is not recorded is not told: a nonce is known by its digest, evidence by its digest, a token by
its id. Requests that were refused before any decision leave no record and are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.trust.decisions import DecisionKind, DecisionRecord, Outcome

# The picture, in units of its view box.
WIDTH = 640
LEFT, RIGHT = 70, 570
_TOP, _STEP = 46, 40


class Kind(StrEnum):
    """What kind of message it is; pages have words for each."""

    REQUEST = "request"
    CHALLENGE = "challenge"
    ATTESTATION = "attestation"
    TOKEN = "token"  # noqa: S105  (a kind of message)
    RESOURCE = "resource"
    SECRET = "secret"  # noqa: S105
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Step:
    """One message.

    Attributes:
        number: 1-based.
        is_from_guest: otherwise to it.
        detail: what is known of it, in short.
        at: when, where that is recorded.
        decision_id: of the decision that it is the outcome of.
        y: of its arrow in the picture.
    """

    number: int
    kind: Kind
    is_from_guest: bool
    detail: str
    at: datetime | None
    decision_id: str | None
    y: int


@dataclass(frozen=True, slots=True)
class Handshake:
    """The messages in their order, and the height of their picture."""

    steps: tuple[Step, ...]

    @property
    def height(self) -> int:
        """In units of the view box."""
        return _TOP + _STEP * len(self.steps)


def handshake_of(record: DecisionRecord, appraisal: DecisionRecord | None) -> Handshake:
    """The messages that led to a decision.

    Args:
        record: of the decision.
        appraisal: behind a release's token, when it was made here.
    """
    told: list[tuple[Kind, str, DecisionRecord | None]] = []
    judged = record if record.kind is DecisionKind.APPRAISAL else appraisal
    if judged is not None:
        told += _attesting(judged)
    if record.kind is DecisionKind.RELEASE:
        told.append((Kind.RESOURCE, record.subject, None))
        answer = Kind.SECRET if record.outcome is Outcome.ALLOWED else Kind.REFUSAL
        told.append((answer, record.reason, record))
    return Handshake(
        tuple(
            Step(
                number=number,
                kind=kind,
                is_from_guest=kind in (Kind.REQUEST, Kind.ATTESTATION, Kind.RESOURCE),
                detail=detail,
                at=decided.at if decided else None,
                decision_id=decided.decision_id if decided else None,
                y=_TOP + _STEP * (number - 1) + _STEP // 2,
            )
            for number, (kind, detail, decided) in enumerate(told, 1)
        )
    )


def _attesting(record: DecisionRecord) -> list[tuple[Kind, str, DecisionRecord | None]]:
    evidence = record.inputs.get("evidence", [])
    pieces = ", ".join(f"{each['tee']} {each['digest'][:12]}…" for each in evidence)
    allowed = record.outcome is Outcome.ALLOWED
    return [
        (Kind.REQUEST, record.tee or "", None),
        (Kind.CHALLENGE, _nonce_digest(record), None),
        (Kind.ATTESTATION, pieces or record.tee or "", None),
        (Kind.TOKEN if allowed else Kind.REFUSAL, record.reason, record),
    ]


def _nonce_digest(record: DecisionRecord) -> str:
    """The digest of the nonce that the evidence was bound to, as far as one is recorded."""
    for entry in record.inputs.get("submods", {}).values():
        runtime = entry["input"].get("runtime_data_claims")
        if isinstance(runtime, dict) and isinstance(runtime.get("nonce"), str):
            return f"{runtime['nonce'][:19]}…"
    return ""
