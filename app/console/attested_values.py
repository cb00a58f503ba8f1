"""Reference values taken from an attestation: what a guest claimed, offered for everyone to meet.

Only verified claims are offered, exactly as they are recorded, and only where the source of a
policy tells which reference value stands beside which claim. Whoever takes them trusts every guest
that claims the same from then on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.attestation.appraisal import TRUST_RULE
from app.attestation.reference_values import DraftReferenceValue, ReferenceValues
from app.console.changes import ReferenceValuesChange
from app.trust.clock import Clock
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, DecisionStore
from app.trust.errors import DecisionNotFoundError, MalformedRequestError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyStore
from app.trust.policy_conditions import INPUT, Comparison, Path, Reference
from app.trust.policy_engine import PolicyEngine, PolicyText

_LISTED, _AT_LEAST = "in", ">="
_COMPARING = frozenset({_LISTED, "==", _AT_LEAST})


@dataclass(frozen=True, slots=True)
class OfferedValue:
    """One reference value that would be met by what the guest claims.

    Attributes:
        part: of the guest, such as ``cpu0``.
        claim: where it stands, as a policy writes it.
        claimed: its value.
        before: what is registered and has not expired; ``None`` when nothing is.
        after: what would be registered.
        is_met: whether the claim meets what is registered already.
    """

    name: str
    part: str
    policy_id: str
    claim: str
    claimed: JSONValue
    before: JSONValue
    after: JSONValue
    is_met: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be taken from one attestation.

    Attributes:
        appraisal_id: of the decision in which the claims were verified.
        evidence: TEE and digest of each piece.
        reason: how the appraisal came out.
        issuer: of the token that was signed, if one was.
    """

    appraisal_id: str
    at: datetime
    tee: str | None
    evidence: tuple[tuple[str, str], ...]
    reason: str
    issuer: str | None
    values: tuple[OfferedValue, ...]

    def chosen(self, names: Sequence[str]) -> tuple[OfferedValue, ...]:
        """The values of these names.

        Raises:
            MalformedRequestError: none is named, or one that is not offered or met already.
        """
        open_ = {each.name: each for each in self.values if not each.is_met}
        if not names or any(name not in open_ for name in names):
            raise MalformedRequestError("choose at least one value, of those that are offered")
        return tuple(open_[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class AttestedValues:
    """Offers what recorded attestations claimed; nothing is written down."""

    decisions: DecisionStore
    policies: PolicyStore
    engine: PolicyEngine
    values: ReferenceValues
    clock: Clock

    def offer(self, decision_id: str) -> Offer:
        """What can be taken from the attestation that a decision is about or rests on.

        Raises:
            DecisionNotFoundError: there is no such decision, or no claims were verified here.
        """
        record = self._appraisal(decision_id)
        if record is None or "submods" not in record.inputs:
            raise DecisionNotFoundError(
                "no decision of this id rests on claims that were verified here"
            )
        return Offer(
            appraisal_id=record.decision_id,
            at=record.at,
            tee=record.tee,
            evidence=tuple(
                (each["tee"], each["digest"]) for each in record.inputs.get("evidence", ())
            ),
            reason=record.reason,
            issuer=record.issuer,
            values=tuple(self._offered(record)),
        )

    def _appraisal(self, decision_id: str) -> DecisionRecord | None:
        record = self.decisions.find(decision_id)
        if record is None or record.kind is DecisionKind.APPRAISAL or record.token_id is None:
            return record
        query = DecisionQuery(kind=DecisionKind.APPRAISAL, token_id=record.token_id, limit=1)
        behind = self.decisions.page(query)
        return self.decisions.find(behind[0].decision_id) if behind else None

    def _offered(self, record: DecisionRecord) -> Iterator[OfferedValue]:
        pairs = list(self._pairs(record))
        found = self.values.find_all([reference for reference, *_ in pairs])
        now = self.clock.now()
        current = {n: value.value for n, value in found.items() if value.expires_at > now}
        seen: set[str] = set()
        for name, operator, part, policy_id, claim, claimed in pairs:
            if name in seen:
                continue
            seen.add(name)
            before = current.get(name)
            after = _after(operator, claimed, before)
            is_met = _is_met(operator, claimed, before)
            yield OfferedValue(name, part, policy_id, claim, claimed, before, after, is_met)

    def _pairs(self, record: DecisionRecord) -> Iterator[tuple[str, str, str, str, str, JSONValue]]:
        """Reference value, operator, part, policy, claim and its value, as policies pair them."""
        digests: JSONObject = record.inputs.get("policies", {})
        for part, entry in record.inputs["submods"].items():
            policy_id = entry["policy"]
            text = self.policies.by_digest(digests.get(policy_id, ""))
            if text is None:
                continue
            for reference, operator, claim in self._compared(text):
                claimed = _value(entry["input"], claim)
                if claimed is not None:
                    yield reference.name, operator, part, policy_id, str(claim), claimed

    def _compared(self, text: PolicyText) -> Iterator[tuple[Reference, str, Path]]:
        for condition in self.engine.conditions(text, TRUST_RULE):
            for each in condition.comparisons:
                pair = _pair(each)
                if pair is not None:
                    yield pair[0], each.operator, pair[1]


def take(offer: Offer, names: Sequence[str]) -> ReferenceValuesChange:
    """The change that takes some of the offered values.

    Raises:
        MalformedRequestError: none is named, or one that is not offered or met already.
    """
    drafts = tuple(DraftReferenceValue(each.name, each.after) for each in offer.chosen(names))
    return ReferenceValuesChange(register=drafts, source=f"attestation {offer.appraisal_id}")


def shown_digest(values: Sequence[OfferedValue]) -> str:
    """SHA-256, hex, of what somebody was shown: another one when something changed since."""
    shown = [[each.name, each.before, each.after] for each in values]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _pair(comparison: Comparison) -> tuple[Reference, Path] | None:
    """The reference value and the claim of a comparison that names one of each, whole."""
    if comparison.operator not in _COMPARING:
        return None
    left, right = comparison.left, comparison.right
    if comparison.operator == "==" and isinstance(left, Reference):
        left, right = right, left
    if not isinstance(left, Path) or not isinstance(right, Reference) or right.steps:
        return None
    literal = all(isinstance(step, str | int) for step in left.steps)
    return (right, left) if left.root == INPUT and left.steps and literal else None


def _value(policy_input: JSONValue, path: Path) -> JSONValue:
    """The value at a path; ``None`` where there is none."""
    value = policy_input
    for step in path.steps:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else None
        else:
            return None
    return value


def _after(operator: str, claimed: JSONValue, before: JSONValue) -> JSONValue:
    """What would be met; what a list holds already stays in it."""
    if operator != _LISTED:
        return claimed
    if isinstance(before, list):
        return before if claimed in before else [*before, claimed]
    return [claimed]


def _is_met(operator: str, claimed: JSONValue, before: JSONValue) -> bool:
    if operator == _LISTED:
        return isinstance(before, list) and claimed in before
    if operator == _AT_LEAST:
        return _is_number(before) and _is_number(claimed) and claimed >= before
    return before is not None and claimed == before


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
