"""Why a decision came out as it did: made again from its record, and what it rested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from app.attestation.appraisal import TRUST_RULE
from app.attestation.ear import TrustTier
from app.broker.scopes import ALLOW, DENY
from app.console.comparisons import Comparison, compared
from app.console.policy_texts import SourceLine, numbered
from app.console.reasons import Reason, explained
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, DecisionStore
from app.trust.errors import PolicyFailedError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyStore
from app.trust.policy_engine import Coverage, PolicyEngine, PolicyText


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """One trust claim of one part of the guest (AR4SI).

    Attributes:
        part: the submodule of the token, such as ``cpu0``.
        status: the tier of the value, in words.
    """

    part: str
    name: str
    value: int
    status: str


@dataclass(frozen=True, slots=True)
class JudgingPolicy:
    """A policy that took part, as it was then.

    Attributes:
        title: of what it judged: a part of the guest, or the release.
        lines: with those marked that the evaluation reached and did not reach; unmarked when the
            evaluation failed, none when the text is not here.
    """

    title: str
    digest: str
    lines: tuple[SourceLine, ...]

    @property
    def unreached(self) -> int:
        """How many lines were not reached."""
        return sum(line.mark == "unreached" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be told about a decision.

    Attributes:
        comparisons: reference values that were read, causes first; of a release those of the
            appraisal behind its token.
        claims: the trust vector, of a release that of the appraisal behind its token.
        appraisal_id: of the appraisal behind a release's token, when it was made here.
    """

    reason: Reason
    policies: tuple[JudgingPolicy, ...]
    comparisons: tuple[Comparison, ...]
    claims: tuple[JudgedClaim, ...]
    appraisal_id: str | None

    @property
    def causes(self) -> tuple[Comparison, ...]:
        """The comparisons that made a trust claim worse, as far as can be told."""
        return tuple(each for each in self.comparisons if each.is_cause)


@dataclass(frozen=True, slots=True)
class Explanations:
    """Explains recorded decisions; nothing is written down."""

    decisions: DecisionStore
    policies: PolicyStore
    engine: PolicyEngine

    def explain(self, record: DecisionRecord) -> Explanation:
        """Make the decision again, and tell what it rested on."""
        judged = record
        policies = tuple(self._appraisal_policies(record))
        if record.kind is DecisionKind.RELEASE:
            judged = self._appraisal_behind(record) or record
            policies = tuple(self._release_policies(record))
        return Explanation(
            reason=explained(record.reason),
            policies=policies,
            comparisons=tuple(self._comparisons(judged)),
            claims=tuple(_claims(judged)),
            appraisal_id=judged.decision_id if judged is not record else None,
        )

    def _appraisal_behind(self, record: DecisionRecord) -> DecisionRecord | None:
        if record.token_id is None:
            return None
        query = DecisionQuery(kind=DecisionKind.APPRAISAL, token_id=record.token_id, limit=1)
        found = self.decisions.page(query)
        return self.decisions.find(found[0].decision_id) if found else None

    def _release_policies(self, record: DecisionRecord) -> Iterator[JudgingPolicy]:
        """The policies that applied, the narrowest scope first."""
        default = [{"scope": "", "digest": record.policy_digest}]
        applied = cast("list[JSONObject]", record.inputs.get("policies") or default)
        for entry in applied:
            title = f"The release, below {entry['scope']}" if entry["scope"] else "The release"
            yield self._release_policy(record, title, entry["digest"])

    def _release_policy(
        self, record: DecisionRecord, title: str, digest: str | None
    ) -> JudgingPolicy:
        text = self.policies.by_digest(digest) if digest else None
        if text is None:
            return JudgingPolicy(title, digest or "none was set", ())
        claims, data = record.inputs.get("claims", {}), record.inputs.get("data", {})
        try:
            marked = _marked(text, self._reached(text, claims, data))
        except PolicyFailedError:
            return JudgingPolicy(title, text.digest, numbered(text.text))
        return JudgingPolicy(title, text.digest, marked)

    def _reached(self, text: PolicyText, claims: JSONObject, data: JSONObject) -> Coverage:
        """The lines that the rules which count reached."""
        rules = self.engine.rules(text, reference_values=False) & {ALLOW, DENY}
        asked = [self.engine.coverage(text, rule, claims, data=data) for rule in sorted(rules)]
        covered = frozenset[int]().union(*(each.covered for each in asked))
        missed = frozenset[int]().union(*(each.not_covered for each in asked))
        return Coverage(covered, missed - covered)

    def _appraisal_policies(self, record: DecisionRecord) -> Iterator[JudgingPolicy]:
        values: JSONObject = record.inputs.get("reference_values", {})
        for part, text, policy_input in self._parts(record):
            title = f"{part}, judged by {text.name.removesuffix('.rego')}"
            try:
                coverage = self.engine.coverage(text, TRUST_RULE, policy_input, lookup=values.get)
            except PolicyFailedError:
                yield JudgingPolicy(title, text.digest, numbered(text.text))
            else:
                yield JudgingPolicy(title, text.digest, _marked(text, coverage))

    def _comparisons(self, record: DecisionRecord) -> Iterator[Comparison]:
        read: JSONObject = record.inputs.get("reference_values", {})
        seen: set[str] = set()
        for part, text, policy_input in self._parts(record):
            vector = record.result.get(part, {}).get("trust_vector", {})
            for comparison in compared(text.text, policy_input, read, vector):
                # One name is read once for all parts; whoever compares it first has it.
                if comparison.name not in seen and (comparison.claim or comparison.expected == ""):
                    seen.add(comparison.name)
                    yield comparison

    def _parts(self, record: DecisionRecord) -> Iterator[tuple[str, PolicyText, JSONObject]]:
        """Name, policy and input of each part that was judged and whose policy is still here."""
        digests: JSONObject = record.inputs.get("policies", {})
        for part, entry in cast("JSONObject", record.inputs.get("submods", {})).items():
            text = self.policies.by_digest(digests[entry["policy"]])
            if text is not None:
                yield part, text, entry["input"]


def _claims(record: DecisionRecord) -> Iterator[JudgedClaim]:
    # What a remote Attestation Service judged has another layout, and no parts here.
    for part in cast("JSONObject", record.inputs.get("submods", {})):
        for name, value in record.result.get(part, {}).get("trust_vector", {}).items():
            if value:
                yield JudgedClaim(part, name, value, TrustTier.of(value).label)


def _marked(text: PolicyText, coverage: Coverage) -> tuple[SourceLine, ...]:
    return tuple(
        replace(line, mark="reached", sign="✓")
        if line.number in coverage.covered
        else replace(line, mark="unreached", sign="✗")
        if line.number in coverage.not_covered
        else line
        for line in numbered(text.text)
    )
