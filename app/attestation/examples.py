"""Examples of attestation policies, run: the trust vector of an input and reference values."""

from __future__ import annotations

from collections.abc import Sequence

from app.attestation.appraisal import ChosenPolicy, appraise
from app.attestation.composition import Environment
from app.attestation.ear import TrustTier
from app.trust.errors import PolicyFailedError
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.policy_examples import ExampleResult, PolicyExample

OUTCOMES = tuple(tier.label for tier in TrustTier)


def run_examples(
    text: PolicyText, examples: Sequence[PolicyExample], engine: PolicyEngine
) -> list[ExampleResult]:
    """What a policy makes of its examples."""
    return [_run(text, example, engine) for example in examples]


def _run(text: PolicyText, example: PolicyExample, engine: PolicyEngine) -> ExampleResult:
    outcome, wanted = example.expected["outcome"], example.expected.get("trust_claims", {})
    told = "".join(f"; {name} {value}" for name, value in wanted.items())
    environment = Environment("example", "", example.policy_input)
    policy = ChosenPolicy(example.policy_id, text)
    try:
        submodule = appraise(environment, policy, engine, example.reference_values.get)
    except PolicyFailedError as error:
        return ExampleResult(example.name, f"{outcome}{told}", holds=False, came_out=error.message)
    vector = submodule.vector
    missed = [name for name, value in wanted.items() if vector.get(name) != value]
    found = "".join(f"; {name} {vector.get(name, 'is not there')}" for name in missed)
    holds = submodule.tier.label == outcome and not missed
    return ExampleResult(
        example.name, f"{outcome}{told}", holds=holds, came_out=submodule.tier.label + found
    )
