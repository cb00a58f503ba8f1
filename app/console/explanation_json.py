"""An explanation as JSON, for programs and the terminal."""

from __future__ import annotations

from dataclasses import asdict

from app.console.counterfactuals import Way
from app.console.drafts import change_of, way_key
from app.console.explanations import Explanation
from app.console.remedies import (
    GuestRemedy,
    PolicyRemedy,
    ReferenceValueRemedy,
    Remedy,
    RollBack,
    SecretRemedy,
)
from app.console.remedy_texts import risk_told, told
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyStore

KINDS: dict[type[Remedy], str] = {
    ReferenceValueRemedy: "reference-value",
    GuestRemedy: "guest",
    PolicyRemedy: "policy",
    RollBack: "roll-back",
    SecretRemedy: "secret",
}


def explanation_as_json(why: Explanation, policies: PolicyStore) -> JSONObject:
    """Reason, ways, comparisons, trust claims, and what it would come out as today."""
    return {
        "sentence": why.reason.sentence,
        "change": why.reason.change,
        "repeatable": why.is_repeatable,
        "tried": why.tried,
        "ways": [_way(way, policies) for way in why.ways],
        "today": None
        if why.today is None
        else {"reached": why.today.reached, "reason": why.today.reason},
        "comparisons": [asdict(each) for each in why.comparisons],
        "trust_claims": [asdict(each) for each in why.claims],
        "appraisal": why.appraisal_id,
    }


def _way(way: Way, policies: PolicyStore) -> JSONObject:
    change = change_of(way, policies)
    return {
        "key": way_key(way),
        "risk": way.risk.value,
        "remedies": [_remedy(each) for each in way.remedies],
        # What POST /api/v1/proposals takes.
        "proposal": None if change is None else change.as_json(),
    }


def _remedy(remedy: Remedy) -> JSONObject:
    place = getattr(remedy, "place", None)
    return {
        "kind": KINDS[type(remedy)],
        "sentence": str(told(remedy)),
        "risk": str(risk_told(remedy)),
        "policy": place.policy_id if place else getattr(remedy, "policy_id", None),
        "line": place.line if place else None,
        "condition": place.text if place else None,
    }
