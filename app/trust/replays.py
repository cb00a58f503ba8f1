"""What replaying a decision record gives: the same outcome, or a reason to look closer."""

from __future__ import annotations

from dataclasses import dataclass

from app.trust.decisions import DecisionRecord, Outcome


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded decision, made again from the record.

    Attributes:
        decision_id: of the record.
        same: whether outcome and reason are those of the record.
        outcome: what came out now.
        reason: the reason code or status that came out now.
        recorded_outcome: what the record says.
        recorded_reason: what the record says.
    """

    decision_id: str
    same: bool
    outcome: Outcome
    reason: str
    recorded_outcome: Outcome
    recorded_reason: str

    @classmethod
    def of(cls, record: DecisionRecord, outcome: Outcome, reason: str) -> Replayed:
        """The comparison of a record with what came out now."""
        return cls(
            decision_id=record.decision_id,
            same=(outcome, reason) == (record.outcome, record.reason),
            outcome=outcome,
            reason=reason,
            recorded_outcome=record.outcome,
            recorded_reason=record.reason,
        )
