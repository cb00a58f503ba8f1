"""Why a decision came out as it did: made again from its record, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from app.attestation.appraisal import TRUST_RULE
from app.attestation.ear import TrustTier
from app.attestation.trust_claims import ABOUT, ORDER, meaning_of
from app.broker.replay import ReleaseReplay
from app.broker.scopes import ALLOW, DENY, GLOBAL_POLICY_ID
from app.console.candidates.finding import Facts, candidates
from app.console.comparisons import Comparison, compared
from app.console.counterfactuals import Trials, Way, ways
from app.console.policy_texts import SourceLine, numbered
from app.console.reasons import Reason, explained
from app.console.remedies import GuestRemedy, Place, PolicyRemedy, ReferenceValueRemedy
from app.console.worlds import Verdict, World, judge, recorded_world
from app.trust.decisions import (
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    DecisionStore,
    Outcome,
)
from app.trust.errors import MalformedPolicyError, PolicyFailedError
from app.trust.policies import PolicyKind, PolicyStore
from app.trust.policy_engine import Coverage, PolicyEngine, PolicyText, ReferenceValueLookup


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """One trust claim of one part of the guest (AR4SI).

    Attributes:
        part: the submodule of the token, such as ``cpu0``.
        status: the tier of the value, in words.
        about: what the trust claim is about.
        meaning: what the value says.
    """

    part: str
    name: str
    value: int
    status: str
    about: str
    meaning: str


@dataclass(frozen=True, slots=True)
class JudgingPolicy:
    """A policy that took part, as it was then.

    Attributes:
        part: of the guest that it judged; nothing for the release.
        version: its number; 0 when the text is not here.
        lines: with those marked that the evaluation reached, did not reach, or failed at; none
            when the text is not here.
    """

    kind: PolicyKind
    part: str
    policy_id: str
    digest: str
    version: int
    lines: tuple[SourceLine, ...]

    @property
    def unreached(self) -> int:
        """How many lines were not reached."""
        return sum(line.mark == "unreached" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be told about a decision.

    Attributes:
        ways: that would have made it come out as wanted, each tried out, the best first.
        tried: how many changes were tried.
        is_repeatable: whether the record gives the same outcome again; without it there are no
            ways.
        today: what the same guest and request come out as by the policies and values of now.
        comparisons: reference values that were read, causes first; of a release those of the
            appraisal behind its token.
        claims: the trust vector, of a release that of the appraisal behind its token.
        appraisal_id: of the appraisal behind a release's token, when it was made here.
    """

    reason: Reason
    ways: tuple[Way, ...]
    tried: int
    is_repeatable: bool
    today: Verdict | None
    policies: tuple[JudgingPolicy, ...]
    comparisons: tuple[Comparison, ...]
    claims: tuple[JudgedClaim, ...]
    appraisal_id: str | None


@dataclass(frozen=True, slots=True)
class Explanations:
    """Explains recorded decisions; nothing is written down.

    Attributes:
        engine: one of its own: policies that are tried out would push those out that serve.
        values_at: the reference values of a moment.
        facts: of a record, what is known beside it.
        today: the world as the policies and values of now have it.
    """

    decisions: DecisionStore
    policies: PolicyStore
    engine: PolicyEngine
    values_at: Callable[[datetime], ReferenceValueLookup]
    facts: Callable[[DecisionRecord], Facts]
    today: Callable[[World], World]

    def explain(self, record: DecisionRecord) -> Explanation:
        """Make the decision again, and find out what would change it."""
        appraisal = None
        if record.kind is DecisionKind.RELEASE:
            appraisal = self.appraisal_behind(record)
        judged = appraisal or record
        values_then = self.values_at(judged.at)
        releases = ReleaseReplay(self.policies, self.engine)
        world = recorded_world(record, appraisal, releases, values_then)
        verdict = judge(world, self.engine) if world else None
        is_repeatable = verdict is not None and _is_as_recorded(record, verdict)
        found: tuple[Way, ...] = ()
        tried = 0
        if world is not None and verdict is not None and is_repeatable and not verdict.reached:
            offered = candidates(world, self.engine, self.facts(record))
            tried, found = len(offered), ways(offered, Trials(world, self.engine))
        return Explanation(
            reason=explained(record.reason),
            ways=found,
            tried=tried,
            is_repeatable=is_repeatable,
            today=judge(self.today(world), self.engine) if world else None,
            policies=tuple(self._policies(record, judged, _faults(found))),
            comparisons=tuple(compared(world, self.engine, _names(found))) if world else (),
            claims=tuple(_claims(judged)),
            appraisal_id=appraisal.decision_id if appraisal else None,
        )

    def appraisal_behind(self, record: DecisionRecord) -> DecisionRecord | None:
        """The appraisal that made the token of a release, when it was made here."""
        if record.token_id is None:
            return None
        query = DecisionQuery(kind=DecisionKind.APPRAISAL, token_id=record.token_id, limit=1)
        found = self.decisions.page(query)
        return self.decisions.find(found[0].decision_id) if found else None

    def _policies(
        self, record: DecisionRecord, judged: DecisionRecord, faults: frozenset[Place]
    ) -> Iterator[JudgingPolicy]:
        if record.kind is DecisionKind.RELEASE:
            yield from self._release_policies(record, faults)
        digests = judged.inputs.get("policies", {})
        values = judged.inputs.get("reference_values", {})
        for part, entry in cast(
            "dict[str, dict[str, str]]", judged.inputs.get("submods", {})
        ).items():
            policy_id = entry["policy"]
            digest = digests[policy_id]
            text = self.policies.by_digest(digest)
            lines: tuple[SourceLine, ...] = ()
            if text is not None:
                lines = _marked(
                    text,
                    self._coverage(text, TRUST_RULE, entry["input"], lookup=values.get),
                    _lines_of(PolicyKind.ATTESTATION, policy_id, faults),
                )
            yield self._judging(PolicyKind.ATTESTATION, part, policy_id, digest, lines)

    def _release_policies(
        self, record: DecisionRecord, faults: frozenset[Place]
    ) -> Iterator[JudgingPolicy]:
        """Those that applied, the narrowest scope first."""
        alone = [{"id": GLOBAL_POLICY_ID, "digest": record.policy_digest or ""}]
        claims, data = record.inputs.get("claims", {}), record.inputs.get("data", {})
        for entry in cast("list[dict[str, str]]", record.inputs.get("policies") or alone):
            policy_id, digest = entry["id"], entry["digest"]
            text = self.policies.by_digest(digest) if digest else None
            lines: tuple[SourceLine, ...] = ()
            if text is not None:
                asked = _lines_of(PolicyKind.RESOURCE, policy_id, faults)
                lines = _marked(text, self._reached(text, claims, data), asked)
            yield self._judging(PolicyKind.RESOURCE, "", policy_id, digest, lines)

    def _reached(self, text: PolicyText, claims: object, data: object) -> Coverage | None:
        """The lines that the rules which count reached."""
        try:
            rules = self.engine.rules(text, reference_values=False) & {ALLOW, DENY}
        except MalformedPolicyError:
            return None
        asked = [self._coverage(text, rule, claims, data=data) for rule in sorted(rules)]
        known = [each for each in asked if each is not None]
        covered = frozenset[int]().union(*(each.covered for each in known))
        missed = frozenset[int]().union(*(each.not_covered for each in known))
        return Coverage(covered, missed - covered) if known else None

    def _judging(
        self,
        kind: PolicyKind,
        part: str,
        policy_id: str,
        digest: str,
        lines: tuple[SourceLine, ...],
    ) -> JudgingPolicy:
        versions = self.policies.versions(kind, policy_id)
        version = next((each.version for each in versions if each.digest == digest), 0)
        return JudgingPolicy(kind, part, policy_id, digest, version, lines)

    def _coverage(
        self, text: PolicyText, rule: str, policy_input: object, **more: object
    ) -> Coverage | None:
        try:
            return self.engine.coverage(text, rule, policy_input, **more)  # type: ignore[arg-type]
        except (PolicyFailedError, MalformedPolicyError):
            return None


def _is_as_recorded(record: DecisionRecord, verdict: Verdict) -> bool:
    """Whether a world without changes comes out as the record says."""
    if record.kind is DecisionKind.RELEASE:
        allowed = record.outcome is Outcome.ALLOWED
        return verdict.reached == allowed and (allowed or verdict.reason == record.reason)
    return verdict.reason == record.reason


def _faults(found: tuple[Way, ...]) -> frozenset[Place]:
    """The lines that ask for what was not there."""
    return frozenset(
        remedy.place
        for way in found
        for remedy in way.remedies
        if isinstance(remedy, ReferenceValueRemedy | GuestRemedy | PolicyRemedy)
    )


def _names(found: tuple[Way, ...]) -> frozenset[str]:
    """Reference values that would change the outcome."""
    return frozenset(
        remedy.name
        for way in found
        for remedy in way.remedies
        if isinstance(remedy, ReferenceValueRemedy)
    )


def _lines_of(kind: PolicyKind, policy_id: str, faults: frozenset[Place]) -> frozenset[int]:
    return frozenset(
        place.line for place in faults if (place.kind, place.policy_id) == (kind, policy_id)
    )


def _claims(record: DecisionRecord) -> Iterator[JudgedClaim]:
    # What a remote Attestation Service judged has another layout, and no parts here.
    for part in cast("dict[str, object]", record.inputs.get("submods", {})):
        vector: dict[str, int] = record.result.get(part, {}).get("trust_vector", {})
        for name in sorted(vector, key=ORDER.index):
            value = vector[name]
            status = TrustTier.of(value).label
            yield JudgedClaim(part, name, value, status, ABOUT[name], meaning_of(name, value))


def _marked(
    text: PolicyText, coverage: Coverage | None, faults: frozenset[int]
) -> tuple[SourceLine, ...]:
    def mark(line: SourceLine) -> SourceLine:
        if line.number in faults:
            return replace(line, mark="fault", sign="▸")
        if coverage is not None and line.number in coverage.covered:
            return replace(line, mark="reached", sign="✓")
        if coverage is not None and line.number in coverage.not_covered:
            return replace(line, mark="unreached", sign="✗")
        return line

    return tuple(mark(line) for line in numbered(text.text))
