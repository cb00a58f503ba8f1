"""Decision records of appraisals: what is written down, allowed or denied, so that it replays.

Layout of ``inputs``: ``evidence`` lists TEE and digest of each piece; ``policies`` maps policy ids
to digests of texts; ``submods`` maps submodule names to ``policy`` and the policy's ``input``;
``reference_values`` holds every value that was read. ``result`` maps submodule names to status,
vector and extensions. A refusal before any policy has only ``evidence``.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import datetime

from app.attestation.ear import EARToken, Submodule
from app.trust.appraiser import AppraisalRequest
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome, new_decision_id, redact
from app.trust.errors import DomainError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.measurements import launch_measurement
from app.trust.policies import policies_digest
from guest.wire.canonical import canonical_json


@dataclass(slots=True)
class AppraisalDraft:
    """What is known of an appraisal so far.

    Attributes:
        started: of the monotonic clock, nanoseconds.
        policies: digest of the text by policy id, as they take part.
        inputs: policy id and policy input by submodule name.
        submodules: appraised so far.
        reference_values: as read so far, by name.
    """

    request: AppraisalRequest
    at: datetime
    started: int = field(default_factory=time.perf_counter_ns)
    policies: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[str, JSONObject]] = field(default_factory=dict)
    submodules: list[Submodule] = field(default_factory=list)
    reference_values: JSONObject = field(default_factory=dict)

    def allowed(self, token: EARToken) -> DecisionRecord:
        """The record of an appraisal whose token is signed."""
        return self._record(Outcome.ALLOWED, token.tier.label, token)

    def denied(self, error: DomainError) -> DecisionRecord:
        """The record of an appraisal that ended in an error."""
        return self._record(Outcome.DENIED, error.code, None)

    def _record(self, outcome: Outcome, reason: str, token: EARToken | None) -> DecisionRecord:
        read = self.reference_values
        return DecisionRecord(
            decision_id=new_decision_id(self.at),
            kind=DecisionKind.APPRAISAL,
            at=self.at,
            outcome=outcome,
            reason=reason,
            tee=self.request.items[0].tee if self.request.items else None,
            subject=self.request.policy_id,
            policy_digest=policies_digest(self.policies),
            reference_values_digest=_digest(canonical_json(read)) if self.policies else None,
            token_id=token.token_id if token else None,
            issuer=token.issuer.name if token else None,
            measurement=self._measurement(),
            latency_us=(time.perf_counter_ns() - self.started) // 1000,
            inputs=self._inputs(),
            result={each.name: _result(each) for each in self.submodules},
        )

    def _measurement(self) -> str | None:
        """Of the primary environment, which is the first."""
        return next((launch_measurement(found) for _, found in self.inputs.values()), None)

    def _inputs(self) -> JSONObject:
        inputs: JSONObject = {
            "evidence": [
                {"tee": item.tee, "digest": evidence_digest(item.unverified_evidence)}
                for item in self.request.items
            ]
        }
        if self.policies:
            inputs["policies"] = dict(self.policies)
            inputs["reference_values"] = dict(self.reference_values)
            inputs["submods"] = {
                name: {"policy": policy_id, "input": redact(policy_input)}
                for name, (policy_id, policy_input) in self.inputs.items()
            }
        return inputs


def evidence_digest(evidence: JSONValue) -> str:
    """SHA-256, hex, of the evidence as compact JSON with sorted members.

    Not RFC 8785, which has no form for the 64-bit integers of some evidence.
    """
    return _digest(json.dumps(evidence, sort_keys=True, separators=(",", ":")).encode("ascii"))


def _result(submodule: Submodule) -> JSONObject:
    return {
        "status": submodule.tier.label,
        "trust_vector": submodule.vector,
        "extensions": redact({each.name: each.value for each in submodule.extensions}),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
