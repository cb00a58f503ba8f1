"""Releases made again from their records: the same inputs, the same policy, the same outcome."""

from __future__ import annotations

from dataclasses import dataclass

from app.broker.policies import Denied, decide
from app.broker.release import ALLOWED_REASON
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome
from app.trust.errors import PolicyDeniedError, PolicyFailedError, PolicyNotFoundError
from app.trust.policies import PolicyStore
from app.trust.policy_engine import PolicyEngine
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
        if record.policy_digest is None:
            return Outcome.DENIED, PolicyDeniedError.code
        policy = self.policies.by_digest(record.policy_digest)
        if policy is None:
            raise PolicyNotFoundError("no version of a policy has the recorded digest")
        try:
            decision = decide(
                self.engine, policy, record.inputs.get("claims", {}), record.inputs.get("data", {})
            )
        except PolicyFailedError as error:
            return Outcome.DENIED, error.code
        if isinstance(decision, Denied):
            return Outcome.DENIED, PolicyDeniedError.code
        failure = record.result.get("failure")
        if isinstance(failure, str):
            return Outcome.DENIED, failure
        return Outcome.ALLOWED, ALLOWED_REASON
