"""Examples of resource policies, run: what one policy says by itself."""

from __future__ import annotations

from collections.abc import Sequence

from app.broker.scopes import ALLOW, Allowed, ScopedPolicy, decide
from app.trust.errors import PolicyFailedError
from app.trust.json_types import JSONObject
from app.trust.policy_engine import PolicyEngine
from app.trust.policy_examples import ExampleResult, PolicyExample

ALLOWED, DENIED, UNDECIDED = OUTCOMES = ("allowed", "denied", "undecided")
_FAILED = "failed"


def run_examples(
    policy: ScopedPolicy, examples: Sequence[PolicyExample], engine: PolicyEngine
) -> list[ExampleResult]:
    """What a policy makes of its examples, without the other policies."""
    return [_run(policy, example, engine) for example in examples]


def outcome_alone(
    policy: ScopedPolicy, claims: JSONObject, data: JSONObject, engine: PolicyEngine
) -> str:
    """What one policy says by itself.

    ``undecided`` is what a policy says that denies nothing and has no rule ``allow``: a broader
    one decides.
    """
    try:
        decision = decide(engine, (policy,), claims, data)
    except PolicyFailedError:
        return _FAILED
    if isinstance(decision, Allowed):
        return ALLOWED
    silent = ALLOW not in policy.rules and decision.decided_by is None
    return UNDECIDED if silent else DENIED


def _run(policy: ScopedPolicy, example: PolicyExample, engine: PolicyEngine) -> ExampleResult:
    expected = str(example.expected["outcome"])
    came_out = outcome_alone(policy, example.policy_input, example.data, engine)
    return ExampleResult(example.name, expected, came_out == expected, came_out)
