"""What a change would have altered: recorded decisions made again, as today and under the change.

Nothing is written and no secret is read. What a guest proved, which reference values a policy read,
and what went wrong after a yes are facts of the record; the policies are those of today, and the
reference values that the change touches are those of today and of the change. A release is decided
again on a token whose appraisal was made again, as far as that appraisal is recorded here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.attestation.policies import AttestationPolicies
from app.attestation.reference_values import ReferenceValues
from app.attestation.replay import Appraisal, appraise_again
from app.broker.policies import ResourcePolicies
from app.broker.replay import decide_again
from app.broker.scopes import Scope, ScopedPolicies, ScopedPolicy
from app.console.changes import Change, PolicyChange, ReferenceValuesChange
from app.trust.clock import Clock
from app.trust.decisions import (
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    DecisionStore,
    Outcome,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyEngine, PolicyText

Result = tuple[Outcome, str]


@dataclass(frozen=True, slots=True)
class World:
    """What decides: policies of both kinds, and values that differ from those of a record."""

    attestation: Mapping[str, PolicyText]
    resource: ScopedPolicies
    values: Mapping[str, JSONValue]


@dataclass(frozen=True, slots=True)
class Altered:
    """A decision that would come out otherwise.

    Attributes:
        before: outcome and reason as of today.
        after: outcome and reason under the change.
    """

    record: DecisionRecord
    before: Result
    after: Result


@dataclass(frozen=True, slots=True)
class Impacts:
    """Makes the judge of a change."""

    attestation: AttestationPolicies
    resource: ResourcePolicies
    reference_values: ReferenceValues
    decisions: DecisionStore
    engine: PolicyEngine
    clock: Clock

    def judge(self, change: Change) -> Judge:
        """What tells of records whether the change would alter them, as of now.

        Raises:
            MalformedPolicyError: the text of the change does not compile.
        """
        today = World(self.attestation.current(), self.resource.current(), self._touched(change))
        return Judge(
            today=today,
            changed=self._under(change, today),
            value=self._value,
            decisions=self.decisions,
            engine=self.engine,
        )

    def _under(self, change: Change, today: World) -> World:
        if isinstance(change, ReferenceValuesChange):
            values = {draft.name: draft.value for draft in change.register}
            gone = dict.fromkeys(change.withdraw)
            return World(today.attestation, today.resource, {**values, **gone})
        if change.policy_kind is PolicyKind.ATTESTATION:
            texts = {**today.attestation}
            texts.pop(change.policy_id, None)
            if change.text is not None:
                texts[change.policy_id] = PolicyText.of(f"{change.policy_id}.rego", change.text)
            return World(texts, today.resource, today.values)
        if change.text is None:
            resource = today.resource.without(Scope.of_policy(change.policy_id))
        else:
            text = PolicyText.of(f"{change.policy_id}.rego", change.text)
            policy = ScopedPolicy.of(change.policy_id, text, self.engine)
            resource = today.resource.with_policy(policy)
        return World(today.attestation, resource, today.values)

    def _touched(self, change: Change) -> dict[str, JSONValue]:
        if isinstance(change, PolicyChange):
            return {}
        return {name: self._value(name) for name in change.names}

    def _value(self, name: str) -> JSONValue:
        found = self.reference_values.find(name)
        expired = found is not None and found.expires_at <= self.clock.now()
        return None if found is None or expired else found.value


@dataclass(frozen=True, slots=True)
class Judge:
    """Tells of one record after another whether the change would alter it.

    Attributes:
        value: the reference value of a name today, for what the record did not read.
    """

    today: World
    changed: World
    value: Callable[[str], JSONValue]
    decisions: DecisionStore
    engine: PolicyEngine
    _values: dict[str, JSONValue] = field(default_factory=dict)
    _appraisals: dict[str, DecisionRecord | None] = field(default_factory=dict)

    def altered(self, record: DecisionRecord) -> Altered | None:
        """What would become of a record, when that is something else; ``record`` is whole."""
        decide = self._appraisal if record.kind is DecisionKind.APPRAISAL else self._release
        before, after = decide(record, self.today), decide(record, self.changed)
        return None if before == after else Altered(record, before, after)

    def _appraisal(self, record: DecisionRecord, world: World) -> Result:
        if not self._is_touched(record):
            return record.outcome, record.reason
        made = self._appraised(record, world)
        return made.outcome, made.reason

    def _release(self, record: DecisionRecord, world: World) -> Result:
        policies = world.resource.applicable(record.subject.split("/"))
        appraisal = self._appraisal_behind(record)
        if appraisal is not None and self._is_touched(appraisal):
            made = self._appraised(appraisal, world)
            if made.outcome is Outcome.DENIED:
                # There would have been no token to ask with.
                return made.outcome, made.reason
            record = made.patched(record)
        return decide_again(record, policies, self.engine)

    def _appraised(self, record: DecisionRecord, world: World) -> Appraisal:
        recorded: JSONObject = record.inputs.get("reference_values", {})

        def lookup(name: str) -> JSONValue:
            if name in world.values:
                return world.values[name]
            return recorded[name] if name in recorded else self._value_today(name)

        return appraise_again(record, world.attestation.get, lookup, self.engine)

    def _is_touched(self, appraisal: DecisionRecord) -> bool:
        """Whether the change could matter to an appraisal: it is about a policy or value of it."""
        if self.today.attestation is not self.changed.attestation:
            ids: JSONObject = appraisal.inputs.get("policies", {})
            return any(
                self.today.attestation.get(each) != self.changed.attestation.get(each)
                for each in ids
            )
        read: JSONObject = appraisal.inputs.get("reference_values", {})
        return bool(self.changed.values.keys() & read.keys())

    def _appraisal_behind(self, release: DecisionRecord) -> DecisionRecord | None:
        if not self._alters_appraisals or release.token_id is None:
            return None
        token_id = release.token_id
        if token_id not in self._appraisals:
            query = DecisionQuery(kind=DecisionKind.APPRAISAL, token_id=token_id, limit=1)
            found = self.decisions.whole_page(query)
            self._appraisals[token_id] = found[0] if found else None
        return self._appraisals[token_id]

    @property
    def _alters_appraisals(self) -> bool:
        return self.today.resource is self.changed.resource

    def _value_today(self, name: str) -> JSONValue:
        if name not in self._values:
            self._values[name] = self.value(name)
        return self._values[name]
