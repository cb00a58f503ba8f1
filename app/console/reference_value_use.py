"""Who reads which reference value: policies, by their source, and appraisals, by their record.

What a policy's source tells is told exactly; where a policy computes a name, that is said, and no
value is then called unread because of its source alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.attestation.policies import AttestationPolicies
from app.attestation.reference_values import ReferenceValue, ReferenceValues
from app.trust.clock import Clock
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionStore
from app.trust.json_types import JSONObject
from app.trust.policy_engine import PolicyEngine

# How many of the newest appraisals are looked at for what they read.
_APPRAISALS = 100
_WINDOW = 500


@dataclass(frozen=True, slots=True)
class ReadName:
    """A name that is read.

    Attributes:
        policies: ids of the active policies whose source reads it.
        decision_id: of the newest appraisal that read it, if one of the last did.
        is_registered: whether it has a value that has not expired.
    """

    name: str
    policies: tuple[str, ...]
    decision_id: str | None
    is_registered: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that is known about reading.

    Attributes:
        by_policies: ids of policies by the name that they read.
        by_appraisals: the newest decision id by the name that an appraisal read.
        computing: ids of policies that compute a name, so that their source does not tell all.
    """

    by_policies: dict[str, tuple[str, ...]]
    by_appraisals: dict[str, str]
    computing: tuple[str, ...]

    def is_read(self, name: str) -> bool:
        """Whether a policy or a recent appraisal reads a name."""
        return name in self.by_policies or name in self.by_appraisals


@dataclass(frozen=True, slots=True)
class ReferenceValueUse:
    """Surveys reading; nothing is written down."""

    policies: AttestationPolicies
    values: ReferenceValues
    engine: PolicyEngine
    decisions: DecisionStore
    clock: Clock

    def survey(self) -> Survey:
        """Ask every active policy, and the newest appraisals."""
        by_policies: dict[str, list[str]] = {}
        computing = []
        for policy_id in self.policies.ids():
            found = self.engine.reference_names(self.policies.get(policy_id).as_text())
            for name in found.names:
                by_policies.setdefault(name, []).append(policy_id)
            if not found.is_complete:
                computing.append(policy_id)
        return Survey(
            {name: tuple(ids) for name, ids in by_policies.items()},
            self._read_by_appraisals(),
            tuple(computing),
        )

    def missing(self) -> list[ReadName]:
        """Names that are read and have no value: first those that guests were asked for lately."""
        survey = self.survey()
        names = sorted(survey.by_policies.keys() | survey.by_appraisals.keys())
        found = self.values.find_all(names)
        now = self.clock.now()
        there = {name for name, value in found.items() if value.expires_at > now}
        missing = [_read(name, survey, there) for name in names if name not in there]
        return sorted(missing, key=lambda each: (each.decision_id is None, each.name))

    def unread(self, *, after: str | None, limit: int) -> list[ReferenceValue]:
        """Registered values that no policy and no recent appraisal reads, by name."""
        survey = self.survey()
        found: list[ReferenceValue] = []
        while page := self.values.page(after=after, limit=_WINDOW):
            found += [each for each in page if not survey.is_read(each.name)]
            if len(found) >= limit or len(page) < _WINDOW:
                break
            after = page[-1].name
        return found[:limit]

    def _read_by_appraisals(self) -> dict[str, str]:
        query = DecisionQuery(kind=DecisionKind.APPRAISAL, limit=_APPRAISALS)
        newest: dict[str, str] = {}
        seen: set[str | None] = set()
        for head in self.decisions.page(query):
            # The same values read by the same policies: the newest record tells it all.
            read_by = (head.reference_values_digest or "") + (head.policy_digest or "")
            if not read_by or read_by in seen:
                continue
            seen.add(read_by)
            record = self.decisions.find(head.decision_id)
            read: JSONObject = record.inputs.get("reference_values", {}) if record else {}
            for name in read:
                newest.setdefault(name, head.decision_id)
        return newest


def _read(name: str, survey: Survey, registered: set[str]) -> ReadName:
    return ReadName(
        name,
        survey.by_policies.get(name, ()),
        survey.by_appraisals.get(name),
        name in registered,
    )
