"""Appraisal: annotated evidence, a policy and reference values give a submodule of the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.attestation.composition import Environment
from app.attestation.ear import (
    GREATEST_CLAIM,
    LEAST_CLAIM,
    TRUST_CLAIMS,
    Extension,
    Submodule,
)
from app.trust.errors import PolicyFailedError
from app.trust.json_types import JSONValue
from app.trust.policy_engine import (
    UNDEFINED,
    PolicyEngine,
    PolicyText,
    ReferenceValueLookup,
    Undefined,
)

TRUST_RULE = "trust_claims"
EXTENSIONS_RULE = "extensions"
# What an extension must not be called: a policy could write its own verdict.
_RESERVED = frozenset(
    {
        "ear.status",
        "ear.trustworthiness-vector",
        "ear.appraisal-policy-id",
        "ear.veraison.annotated-evidence",
        "ear.veraison.policy-claims",
        "ear.veraison.key-attestation",
    }
)
_MAX_EXTENSIONS = 64
_MAX_KEY = 2**31


@dataclass(frozen=True, slots=True)
class ChosenPolicy:
    """A policy as it was asked for, and the text that stands for it."""

    policy_id: str
    text: PolicyText


def appraise(
    environment: Environment,
    policy: ChosenPolicy,
    engine: PolicyEngine,
    lookup: ReferenceValueLookup,
) -> Submodule:
    """Let a policy judge one environment.

    Raises:
        PolicyFailedError: the policy fails, or its results are not of the agreed form.
        UnavailableError: reference values are out of reach.
    """
    results = engine.evaluate(
        policy.text,
        (TRUST_RULE, EXTENSIONS_RULE),
        environment.annotated_evidence,
        lookup=lookup,
    )
    return Submodule(
        name=environment.name,
        policy_id=policy.policy_id,
        vector=trust_vector(results[TRUST_RULE]),
        annotated_evidence=environment.annotated_evidence,
        extensions=extensions(results[EXTENSIONS_RULE]),
    )


def trust_vector(result: JSONValue | Undefined) -> dict[str, int]:
    """The trust vector that a policy yields.

    Raises:
        PolicyFailedError: it is not an object with at least one trust claim, names an unknown one,
            or has a value that is no whole number of -128 to 127.
    """
    if not isinstance(result, dict) or not result:
        raise PolicyFailedError("the policy's trust_claims are not an object with trust claims")
    for name, value in result.items():
        fault = trust_claim_fault(name, value)
        if fault is not None:
            raise PolicyFailedError(f"the policy failed: {fault}")
    return dict(result)


def trust_claim_fault(name: JSONValue, value: JSONValue) -> str | None:
    """What is wrong with one trust claim, if anything."""
    if name not in TRUST_CLAIMS:
        return f"{_shown(name)} is no trust claim"
    # In Python a bool is an int; in a trust vector it is not.
    if type(value) is not int:
        return f"the trust claim {name} is not a whole number"
    if not LEAST_CLAIM <= value <= GREATEST_CLAIM:
        return f"the trust claim {name} is outside {LEAST_CLAIM} to {GREATEST_CLAIM}"
    return None


def extensions(result: JSONValue | Undefined) -> tuple[Extension, ...]:
    """The claims that a policy adds.

    Raises:
        PolicyFailedError: not a list of objects ``name``, ``key``, ``value``; a name or key twice;
            a name that the token gives itself; a null value.
    """
    if result is UNDEFINED:
        return ()
    if not isinstance(result, list) or len(result) > _MAX_EXTENSIONS:
        raise PolicyFailedError(f"the policy's extensions are not a list of {_MAX_EXTENSIONS}")
    found = tuple(_extension(entry) for entry in result)
    for members in ({each.name for each in found}, {each.key for each in found}):
        if len(members) != len(found):
            raise PolicyFailedError("the policy gives an extension twice")
    return found


def _extension(entry: JSONValue) -> Extension:
    if not isinstance(entry, Mapping):
        raise PolicyFailedError("an extension of the policy is not an object")
    name, key, value = entry.get("name"), entry.get("key"), entry.get("value")
    if not isinstance(name, str) or not name or name in _RESERVED:
        raise PolicyFailedError("an extension of the policy has no name of its own")
    if type(key) is not int or not -_MAX_KEY <= key < _MAX_KEY:
        raise PolicyFailedError("an extension of the policy has no key of 32 bits")
    if value is None:
        raise PolicyFailedError("an extension of the policy has no value")
    return Extension(name, key, value)


def _shown(name: JSONValue) -> str:
    """A name that a policy chose; it may have taken it from evidence, so it is cut."""
    return repr(name[:40]) if isinstance(name, str) else "what is no text"
