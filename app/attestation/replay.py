"""Replaying an appraisal: the recorded claims under the recorded policies and reference values."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from app.attestation.appraisal import ChosenPolicy, appraise
from app.attestation.composition import Environment
from app.attestation.ear import TrustTier
from app.trust.decisions import DecisionRecord, Outcome
from app.trust.errors import DomainError, PolicyFailedError, PolicyNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.replays import Replayed

# Finds a policy's text by its digest, active or not.
PolicyTexts = Callable[[str], PolicyText | None]


def replay(record: DecisionRecord, policy_texts: PolicyTexts, engine: PolicyEngine) -> Replayed:
    """Make a recorded appraisal again.

    Evidence is not kept, so a refusal before any policy (a bad signature, a used nonce) comes out
    as recorded. Nonces are recorded as digests: a policy that compares one with something else, or
    that asks for the time, can come out otherwise.
    """
    if not record.inputs.get("submods"):
        return Replayed.of(record, record.outcome, record.reason)
    try:
        tiers = [
            _tier(name, entry, record, policy_texts, engine)
            for name, entry in cast("JSONObject", record.inputs["submods"]).items()
        ]
    except DomainError as error:
        return Replayed.of(record, Outcome.DENIED, error.code)
    if record.outcome is Outcome.DENIED and record.reason != PolicyFailedError.code:
        # The policies had their say; what refused came before or after them.
        return Replayed.of(record, record.outcome, record.reason)
    return Replayed.of(record, Outcome.ALLOWED, max(tiers).label)


def _tier(
    name: str,
    entry: JSONObject,
    record: DecisionRecord,
    policy_texts: PolicyTexts,
    engine: PolicyEngine,
) -> TrustTier:
    digest = record.inputs["policies"][entry["policy"]]
    text = policy_texts(digest)
    if text is None:
        raise PolicyNotFoundError(f"the text of {entry['policy']} as it was is not here")
    environment = Environment(name, "", entry["input"])
    values: JSONObject = record.inputs["reference_values"]
    policy = ChosenPolicy(record.subject, text)
    return appraise(environment, policy, engine, values.get).tier
