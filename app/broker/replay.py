"""Releases made again from their records: the same inputs, the same policies, the same outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from app.broker.release import ALLOWED_REASON
from app.broker.scopes import ALLOW, Denied, Scope, ScopedPolicy, decide
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome
from app.trust.errors import PolicyDeniedError, PolicyFailedError, PolicyNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyStore
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.replays import Replayed


@dataclass(frozen=True, slots=True)
class ReleaseReplay:
    """Makes recorded releases again."""

    policies: PolicyStore
    engine: PolicyEngine

    def replay(self, record: DecisionRecord) -> Replayed:
        """Decide once more; no secret is read and nothing is written down.

        The policy's decision is made again. What happened after its yes (a secret that was not
        there, a TEE key that could not be used) is a fact of that moment and comes from the record.
        A policy that compares nonces sees their digests, as the record does.

        Raises:
            PolicyNotFoundError: no version of a policy has the recorded digest.
        """
        assert record.kind is DecisionKind.RELEASE, "appraisals are replayed by the other service"
        outcome, reason = self._decide(record)
        return Replayed.of(record, outcome, reason)

    def _decide(self, record: DecisionRecord) -> tuple[Outcome, str]:
        policies = tuple(self.policies_of(record))
        if not policies:
            return Outcome.DENIED, PolicyDeniedError.code
        return decide_again(record, policies, self.engine)

    def policies_of(self, record: DecisionRecord) -> Iterator[ScopedPolicy]:
        """The policies that decided, the narrowest first.

        Raises:
            PolicyNotFoundError: no version of a policy has the recorded digest.
        """
        if "policies" not in record.inputs and record.policy_digest is not None:
            # Records of before there were scopes: one policy, of which only `allow` counted.
            yield ScopedPolicy(Scope(), self._text(record.policy_digest), frozenset({ALLOW}))
        for entry in cast("list[JSONObject]", record.inputs.get("policies", [])):
            yield ScopedPolicy.of(entry["id"], self._text(entry["digest"]), self.engine)

    def _text(self, digest: str) -> PolicyText:
        text = self.policies.by_digest(digest)
        if text is None:
            raise PolicyNotFoundError("no version of a policy has the recorded digest")
        return text


def decide_again(
    record: DecisionRecord, policies: Sequence[ScopedPolicy], engine: PolicyEngine
) -> tuple[Outcome, str]:
    """Outcome and reason of a recorded release under these policies, the narrowest first."""
    claims, data = record.inputs.get("claims", {}), record.inputs.get("data", {})
    try:
        decision = decide(engine, policies, claims, data)
    except PolicyFailedError as error:
        return Outcome.DENIED, error.code
    if isinstance(decision, Denied):
        return Outcome.DENIED, PolicyDeniedError.code
    failure = record.result.get("failure")
    if isinstance(failure, str):
        return Outcome.DENIED, failure
    return Outcome.ALLOWED, ALLOWED_REASON
