"""The published interface holds for every request that fits it, and for every one that does not."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from interface import OPERATIONS, REACH_OUT, Caller
from raw_guest import PATH
from schemathesis import Case, GenerationMode
from walks import (
    Walk,
    administer,
    attest,
    inspect,
    keep_accounts,
    keep_collateral,
    keep_own_account,
    keep_policies,
    keep_reference_values,
    keep_secrets,
    observe,
    propose,
    trust,
)

EXAMPLES = 12
KEPT_HERE = [label for label in OPERATIONS if label not in REACH_OUT]
# Nothing in a path could be wrong that is any text; looking for it takes long.
TAKES_ANY_TEXT = re.compile(r"\{(name|policy_id)\}")

# What another test makes the surroundings for: an address to discover is served in
# tests/http/test_added_issuers.py, browsers and phones are at hand in tests/http/test_accounts.py.
ELSEWHERE = {
    "POST /api/v1/issuer-discovery",
    "POST /api/v1/operators/remove-second-factor",
    "DELETE /api/v1/console-sessions/{handle}",
}

anything = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    # Requests are independent, so there is nothing to shrink that the first failure does not show.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", ["a stranger", "an owner"])
@pytest.mark.parametrize("label", KEPT_HERE)
def test_every_boundary_holds(callers: dict[str, Caller], label: str, name: str) -> None:
    """Each limit of each schema, met and passed: never a 5xx, nothing undescribed."""
    caller = callers[name]
    operation = caller.operation(label)
    configured = caller.schema.config.generation_for(operation=operation)
    for case in caller.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=configured
    ):
        caller.call(case)


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        (label, mode)
        for label in KEPT_HERE
        for mode in GenerationMode
        if mode.is_positive or not TAKES_ANY_TEXT.search(label)
    ],
)
def test_requests_by_chance_hold(
    callers: dict[str, Caller], label: str, mode: GenerationMode
) -> None:
    """The same of requests that nobody thought of, by who gets furthest with them."""
    caller = callers["an owner" if OPERATIONS[label] else "a stranger"]

    @anything
    @given(case=caller.operation(label).as_strategy(generation_mode=mode))
    def holds(case: Case[Any]) -> None:
        caller.call(case)

    # Some operations take nothing that could be wrong.
    with suppress(Unsatisfiable):
        holds()


def test_every_operation_answers_as_described(callers: dict[str, Caller], own_token: str) -> None:
    """Every operation succeeds once, so that no description of success is empty."""
    walk = Walk(callers)
    resource = dict(zip(("repository", "type", "tag"), PATH.split("/"), strict=True))
    administer(walk, resource)
    token = attest(walk)
    bearer = {"Authorization": f"Bearer {token}"}
    walk.call(
        "GET /kbs/v0/resource/{repository}/{type}/{tag}", path_parameters=resource, headers=bearer
    )
    observe(walk)
    propose(walk)
    keep_policies(walk)
    keep_collateral(walk)
    trust(walk)
    inspect(walk, token)
    keep_accounts(walk)
    keep_own_account(walk, own_token)
    keep_secrets(walk, resource)
    keep_reference_values(walk)
    walk.operate("DELETE /kbs/v0/resource/{repository}/{type}/{tag}", path_parameters=resource)
    assert walk.succeeded == set(OPERATIONS) - ELSEWHERE
