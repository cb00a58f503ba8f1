"""What to know about a policy before it decides: warnings, and what it says of typical guests.

Faults that would make it useless are no warnings; they are refused when it is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.attestation.appraisal import TRUST_RULE, trust_vector
from app.attestation.ear import TrustTier
from app.broker.examples import ALLOWED, outcome_alone
from app.broker.scopes import ALLOW, DENY, ScopedPolicy
from app.trust.errors import PolicyFailedError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.sentences import Text, marked

_RESOURCE_DATA = frozenset({"plugin", "resource-path", "query", "policy"})
_ATTESTATION_DATA = frozenset({"policy"})
_RESOURCE, _OTHER = "resource", "another-plugin"


@dataclass(frozen=True, slots=True)
class PolicyWarning:
    """Something that a policy may not mean.

    Attributes:
        text: a sentence.
        line: 1-based; ``None`` when it is about the whole.
        column: 1-based.
    """

    text: Text
    line: int | None = None
    column: int | None = None

    @property
    def message(self) -> str:
        """The sentence in English."""
        return str(self.text)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a resource policy, by itself, says of a typical guest.

    Attributes:
        guest: in words.
        resource: what it says when the guest asks for a secret: ``allowed``, ``denied``,
            ``undecided`` or ``failed``.
        other: the same of another plugin.
    """

    guest: str
    resource: str
    other: str


_GUESTS = (
    (marked("affirming"), {"snp": {"measurement": "00"}}),
    (marked("warning"), {"snp": {"measurement": "00"}}),
    (marked("contraindicated"), {"snp": {"measurement": "00"}}),
    (marked("affirming, of the sample TEE"), {"sample": {"svn": "1"}}),
)


def probes(policy: ScopedPolicy, engine: PolicyEngine) -> tuple[Probe, ...]:
    """What a resource policy says of typical guests, and of a token that says nothing."""
    asked = [(words, _token(words.partition(",")[0], claims)) for words, claims in _GUESTS]
    asked.append((marked("a token that says nothing"), {}))
    return tuple(
        Probe(
            words,
            outcome_alone(policy, claims, _request(policy, _RESOURCE), engine),
            outcome_alone(policy, claims, _request(policy, _OTHER), engine),
        )
        for words, claims in asked
    )


def warnings(
    kind: PolicyKind, policy_id: str, text: str, engine: PolicyEngine
) -> tuple[PolicyWarning, ...]:
    """What its author should look at again; the policy compiles.

    Raises:
        MalformedPolicyError: it does not.
    """
    policy = PolicyText.of(f"{policy_id}.rego", text)
    if kind is PolicyKind.ATTESTATION:
        unknown = _unknown_data(policy, engine, _ATTESTATION_DATA, reference_values=True)
        return (*unknown, *_of_attestation(policy, engine))
    scoped = ScopedPolicy.of(policy_id, policy, engine)
    unknown = _unknown_data(policy, engine, _RESOURCE_DATA, reference_values=False)
    return (*unknown, *_of_resource(scoped, engine))


def _of_resource(policy: ScopedPolicy, engine: PolicyEngine) -> Iterator[PolicyWarning]:
    found = probes(policy, engine)
    *guests, silent = found
    allowed = [probe for probe in guests if probe.resource == ALLOWED]
    if silent.resource == ALLOWED:
        yield PolicyWarning(
            Text("allow is true whatever the token says: every genuine TEE gets it")
        )
    elif any(probe.guest == "contraindicated" for probe in allowed):
        yield PolicyWarning(Text("allow is true for a guest whose appraisal is contraindicated"))
    if silent.resource == ALLOWED and silent.other != ALLOWED:
        yield PolicyWarning(
            Text(
                'this allows the plugin "resource" only: every other plugin is refused to everybody'
            )
        )
    if not policy.scope.segments and DENY in policy.rules:
        yield PolicyWarning(
            Text("deny of the global policy counts everywhere, also against every narrower allow")
        )
    if ALLOW in policy.rules and _never(policy, engine):
        yield PolicyWarning(Text("allow is never true: nothing of this scope is ever released"))


def _of_attestation(policy: PolicyText, engine: PolicyEngine) -> Iterator[PolicyWarning]:
    try:
        results = engine.evaluate(policy, (TRUST_RULE,), {}, lookup=lambda _name: None)
        vector = trust_vector(results[TRUST_RULE])
    except PolicyFailedError:
        return
    tier = max(TrustTier.of(value) for value in vector.values())
    if tier in (TrustTier.AFFIRMING, TrustTier.NONE):
        yield PolicyWarning(
            Text(
                "evidence that says nothing is %(tier)s, with no reference value registered",
                {"tier": tier.label},
            )
        )


def _never(policy: ScopedPolicy, engine: PolicyEngine) -> bool:
    """Whether the source of ``allow`` has no value but false."""
    values = engine.literal_values(policy.text, ALLOW, reference_values=False)
    return all(value is False for value in values)


def _unknown_data(
    policy: PolicyText, engine: PolicyEngine, known: frozenset[str], *, reference_values: bool
) -> Iterator[PolicyWarning]:
    """References to data that is never there, each once."""
    shown = ", ".join(sorted(known - {"policy"})) or "nothing"
    for reference in engine.data_references(policy, reference_values=reference_values):
        if reference.member not in known:
            yield PolicyWarning(
                Text(
                    "data.%(member)s is never there: data has %(known)s",
                    {"member": reference.member, "known": shown},
                ),
                reference.line,
                reference.column,
            )


def _token(status: str, claims: JSONObject) -> JSONObject:
    return {
        "ear.vouchgate.freshness": "nonce",
        "submods": {
            "cpu0": {"ear.status": status, "ear.veraison.annotated-evidence": claims},
        },
    }


def _request(policy: ScopedPolicy, plugin: str) -> JSONObject:
    """A request within the scope, as far as the plugin is that of the scope."""
    path = [*policy.scope.segments[1:], "repository", "type", "tag"][:3]
    return {"plugin": plugin, "resource-path": list(path), "query": {}}
