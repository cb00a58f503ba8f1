"""A recorded decision as something that can be made again, as it was or with something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from app.attestation.appraisal import ChosenPolicy, appraise
from app.attestation.composition import Environment
from app.attestation.ear import Submodule, TrustTier
from app.broker.replay import ReleaseReplay
from app.broker.scopes import Allowed, ScopedPolicy, decide
from app.trust.decisions import DecisionKind, DecisionRecord
from app.trust.errors import (
    DomainError,
    MalformedPolicyError,
    PolicyDeniedError,
    PolicyNotFoundError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyStore
from app.trust.policy_engine import PolicyEngine, PolicyText, ReferenceValueLookup

STATUS, VECTOR = "ear.status", "ear.trustworthiness-vector"
EVIDENCE = "ear.veraison.annotated-evidence"
DERIVED = frozenset({STATUS, VECTOR})


class Goal(StrEnum):
    """What a decision would have to come out as."""

    RELEASED = "released"
    AFFIRMING = "affirming"


@dataclass(frozen=True, slots=True)
class Part:
    """One environment of the guest, and the policy that judges it.

    Attributes:
        name: of the submodule.
        policy_id: with the class, such as ``default_cpu``.
        text: of the policy, as it was.
        policy_input: annotated evidence, as recorded.
    """

    name: str
    policy_id: str
    text: PolicyText
    policy_input: JSONObject


@dataclass(frozen=True, slots=True)
class Release:
    """What was asked for, and by what the KBS decided.

    Attributes:
        policies: that applied, the narrowest scope first; none when none was set.
        claims: of the token.
        data: of the request.
        failure: the reason code of what went wrong after the policy's yes, if anything.
    """

    policies: tuple[ScopedPolicy, ...]
    claims: JSONObject
    data: JSONObject
    failure: str | None


@dataclass(frozen=True, slots=True)
class Values:
    """Reference values as policies see them.

    Attributes:
        known: by name, ``None`` for what is missing.
        otherwise: looks up what is not among them. A policy stops at the first condition that does
            not hold, so the record has not everything that it would have read.
    """

    known: Mapping[str, JSONValue]
    otherwise: ReferenceValueLookup

    def get(self, name: str) -> JSONValue:
        """The value of a name; ``None`` when there is none."""
        return self.known[name] if name in self.known else self.otherwise(name)

    def having(self, name: str, value: JSONValue) -> Values:
        """The same but for one of them."""
        return replace(self, known={**self.known, name: value})


@dataclass(frozen=True, slots=True)
class World:
    """All that a decision rested on.

    Attributes:
        parts: that were appraised here; none when the token is someone else's.
        values: the reference values, those that were read as they were recorded.
        release: of a release.
    """

    parts: tuple[Part, ...]
    values: Values
    release: Release | None

    @property
    def goal(self) -> Goal:
        """What is wanted of it."""
        return Goal.AFFIRMING if self.release is None else Goal.RELEASED


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a world comes out as.

    Attributes:
        reached: whether it is what is wanted.
        reason: a status or a reason code.
    """

    reached: bool
    reason: str


def judge(world: World, engine: PolicyEngine) -> Verdict:
    """Decide; nothing is written down, no secret is read."""
    try:
        submodules = [_appraised(part, world, engine) for part in world.parts]
        if world.release is None:
            tier = max((each.tier for each in submodules), default=TrustTier.NONE)
            return Verdict(tier is TrustTier.AFFIRMING, tier.label)
        return _decided(world.release, submodules, engine)
    except DomainError as error:
        return Verdict(False, error.code)  # noqa: FBT003


def recorded_world(
    record: DecisionRecord,
    appraisal: DecisionRecord | None,
    releases: ReleaseReplay,
    values_then: ReferenceValueLookup,
) -> World | None:
    """The world of a record; ``None`` when a policy as it was is not here any more.

    Args:
        record: of the decision.
        appraisal: behind a release's token, when it was made here.
        releases: finds the texts of that time.
        values_then: finds the reference values of that time, for those that were not read.
    """
    judged = record if record.kind is DecisionKind.APPRAISAL else appraisal
    parts = [] if judged is None else _parts(judged, releases.policies)
    release = None
    if record.kind is DecisionKind.RELEASE:
        try:
            applied = tuple(releases.policies_of(record))
        except (PolicyNotFoundError, MalformedPolicyError):
            return None
        failure = record.result.get("failure")
        claims, data = record.inputs.get("claims", {}), record.inputs.get("data", {})
        release = Release(applied, claims, data, failure)
    if parts is None or (release is None and not parts):
        return None
    read = {} if judged is None else judged.inputs.get("reference_values", {})
    return World(tuple(parts), Values(read, values_then), release)


def with_claim(world: World, part: Part, steps: tuple[str | int, ...], value: JSONValue) -> World:
    """The world in which evidence of one part has another claim, and the token repeats it."""
    changed = replace(part, policy_input=with_value(part.policy_input, steps, value))
    parts = tuple(changed if each.name == part.name else each for each in world.parts)
    release = world.release
    submodule = release.claims.get("submods", {}).get(part.name, {}) if release else {}
    if release is not None and EVIDENCE in submodule:
        path = ("submods", part.name, EVIDENCE, *steps)
        release = replace(release, claims=with_value(release.claims, path, value))
    return replace(world, parts=parts, release=release)


def with_value(document: JSONValue, steps: tuple[str | int, ...], value: JSONValue) -> JSONValue:
    """A copy of a document with another value at a place; missing objects are made."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(document) if isinstance(document, list) else []
        if step < len(items):
            items[step] = with_value(items[step], rest, value)
        return items
    members = dict(document) if isinstance(document, dict) else {}
    members[step] = with_value(members.get(step), rest, value)
    return members


def _parts(record: DecisionRecord, policies: PolicyStore) -> list[Part] | None:
    digests: JSONObject = record.inputs.get("policies", {})
    parts = []
    for name, entry in cast("JSONObject", record.inputs.get("submods", {})).items():
        text = policies.by_digest(digests[entry["policy"]])
        if text is None:
            return None
        parts.append(Part(name, entry["policy"], text, entry["input"]))
    return parts


def _appraised(part: Part, world: World, engine: PolicyEngine) -> Submodule:
    environment = Environment(part.name, "", part.policy_input)
    return appraise(environment, ChosenPolicy(part.policy_id, part.text), engine, world.values.get)


def _decided(release: Release, submodules: list[Submodule], engine: PolicyEngine) -> Verdict:
    if not release.policies:
        return Verdict(False, PolicyDeniedError.code)  # noqa: FBT003
    claims = dict(release.claims)
    told: JSONObject = dict(claims.get("submods") or {})
    for each in submodules:
        judged = {STATUS: each.tier.label, VECTOR: each.vector}
        told[each.name] = {**told.get(each.name, {}), **judged}
    if submodules:
        claims["submods"] = told
    if not isinstance(decide(engine, release.policies, claims, release.data), Allowed):
        return Verdict(False, PolicyDeniedError.code)  # noqa: FBT003
    if release.failure is not None:
        return Verdict(False, release.failure)  # noqa: FBT003
    return Verdict(True, Goal.RELEASED.value)  # noqa: FBT003
