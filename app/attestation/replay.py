"""Appraisals made again: the recorded claims under recorded policies, or under others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from app.attestation.appraisal import ChosenPolicy, appraise
from app.attestation.composition import Environment
from app.attestation.ear import Submodule
from app.trust.decisions import DecisionRecord, Outcome
from app.trust.errors import DomainError, PolicyFailedError, PolicyNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policy_engine import PolicyEngine, PolicyText, ReferenceValueLookup
from app.trust.replays import Replayed

# Finds a policy's text by its digest, active or not.
PolicyTexts = Callable[[str], PolicyText | None]

_STATUS, _VECTOR = "ear.status", "ear.trustworthiness-vector"


@dataclass(frozen=True, slots=True)
class Appraisal:
    """An appraisal that was made again.

    Attributes:
        submodules: by name; none when it came to no result.
    """

    outcome: Outcome
    reason: str
    submodules: Mapping[str, Submodule]

    def patched(self, release: DecisionRecord) -> DecisionRecord:
        """The record of a release whose token came of it, with the claims it would have had."""
        claims = release.inputs.get("claims", {})
        parts = {
            name: {**part, _STATUS: found.tier.label, _VECTOR: dict(found.vector)}
            if (found := self.submodules.get(name)) is not None
            else part
            for name, part in cast("JSONObject", claims.get("submods", {})).items()
        }
        return replace(release, inputs={**release.inputs, "claims": {**claims, "submods": parts}})


def replay(record: DecisionRecord, policy_texts: PolicyTexts, engine: PolicyEngine) -> Replayed:
    """Make a recorded appraisal again.

    Evidence is not kept, so a refusal before any policy (a bad signature, a used nonce) comes out
    as recorded. Nonces are recorded as digests: a policy that compares one with something else, or
    that asks for the time, can come out otherwise.
    """
    digests: JSONObject = record.inputs.get("policies", {})
    values: JSONObject = record.inputs.get("reference_values", {})
    made = appraise_again(
        record, lambda policy_id: policy_texts(digests[policy_id]), values.get, engine
    )
    return Replayed.of(record, made.outcome, made.reason)


def appraise_again(
    record: DecisionRecord,
    text_of: Callable[[str], PolicyText | None],
    lookup: ReferenceValueLookup,
    engine: PolicyEngine,
) -> Appraisal:
    """Make a recorded appraisal under the policies and reference values that are given.

    Args:
        record: of an appraisal.
        text_of: the text of a policy by its id.
        lookup: the reference value of a name.
        engine: evaluates.
    """
    as_recorded = Appraisal(record.outcome, record.reason, {})
    if not record.inputs.get("submods"):
        return as_recorded
    try:
        submodules = {
            name: _submodule(name, entry, record, text_of(entry["policy"]), lookup, engine)
            for name, entry in cast("JSONObject", record.inputs["submods"]).items()
        }
    except DomainError as error:
        return Appraisal(Outcome.DENIED, error.code, {})
    if record.outcome is Outcome.DENIED and record.reason != PolicyFailedError.code:
        # The policies had their say; what refused came before or after them.
        return as_recorded
    worst = max(each.tier for each in submodules.values())
    return Appraisal(Outcome.ALLOWED, worst.label, submodules)


def _submodule(
    name: str,
    entry: JSONObject,
    record: DecisionRecord,
    text: PolicyText | None,
    lookup: ReferenceValueLookup,
    engine: PolicyEngine,
) -> Submodule:
    if text is None:
        raise PolicyNotFoundError(f"the text of {entry['policy']} as it was is not here")
    environment = Environment(name, "", entry["input"])
    return appraise(environment, ChosenPolicy(record.subject, text), engine, lookup)
