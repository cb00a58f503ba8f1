"""The token's claims, and which tier a trust vector is in."""

from __future__ import annotations

import pytest
from fakes import NOON
from hypothesis import given
from hypothesis import strategies as st

from app.attestation.ear import EARToken, Extension, Issuer, Submodule, TrustTier

ISSUER = Issuer("https://as.example", None, 300, "https://dev.example", "vouchgate 1")

# wire.md, section 9.3: the first and the last value of each range.
TIERS = {
    TrustTier.NONE: (-1, 0, 1),
    TrustTier.AFFIRMING: (2, 31, -2, -32),
    TrustTier.WARNING: (32, 95, -33, -96),
    TrustTier.CONTRAINDICATED: (96, 127, -97, -128),
}


def submodule(name: str = "cpu0", **vector: int) -> Submodule:
    """An appraisal with this vector."""
    return Submodule(name, "default", vector, {"snp": {}})


@pytest.mark.parametrize("tier", TIERS)
def test_values_fall_into_tiers(tier: TrustTier) -> None:
    """At the borders of every range."""
    assert {TrustTier.of(value) for value in TIERS[tier]} == {tier}


@given(st.integers(-128, 127), st.integers(-128, 127))
def test_the_status_is_the_worst_tier(first: int, second: int) -> None:
    """One bad claim is enough."""
    found = submodule(hardware=first, executables=second).tier
    assert found is max(TrustTier.of(first), TrustTier.of(second))


def test_an_empty_vector_says_nothing() -> None:
    """It is of no tier, which is not affirming."""
    assert submodule().tier.label == "none"


def test_the_token_says_everything_once() -> None:
    """All claims of wire.md section 9.2 and ours beside them."""
    cpu = Submodule(
        "cpu0", "default", {"hardware": 2}, {"snp": {"a": 1}}, (Extension("ear.x", -1, {"b": 2}),)
    )
    token = EARToken(ISSUER, "id", NOON, (cpu, submodule("gpu0", hardware=97)), "bm9uY2U=")
    noon = int(NOON.timestamp())
    assert token.tier is TrustTier.CONTRAINDICATED
    assert token.as_json() == {
        "eat_profile": "tag:github.com,2024:confidential-containers/Trustee",
        "iat": noon,
        "nbf": noon,
        "exp": noon + 300,
        "iss": "https://as.example",
        "jti": "id",
        "eat_nonce": "bm9uY2U=",
        "ear.vouchgate.freshness": "nonce",
        "ear.verifier-id": {"developer": "https://dev.example", "build": "vouchgate 1"},
        "submods": {
            "cpu0": {
                "ear.status": "affirming",
                "ear.trustworthiness-vector": {"hardware": 2},
                "ear.appraisal-policy-id": "default",
                "ear.x": {"b": 2},
                "ear.veraison.annotated-evidence": {"snp": {"a": 1}},
            },
            "gpu0": {
                "ear.status": "contraindicated",
                "ear.trustworthiness-vector": {"hardware": 97},
                "ear.appraisal-policy-id": "default",
                "ear.veraison.annotated-evidence": {"snp": {}},
            },
        },
    }


def test_a_token_without_a_nonce_says_so() -> None:
    """A policy of a KBS can tell a fresh token from one that may be old."""
    claims = EARToken(ISSUER, "id", NOON, (submodule(),), None).as_json()
    assert claims["ear.vouchgate.freshness"] == "none"
    assert "eat_nonce" not in claims
    assert "aud" not in claims


def test_the_nonce_is_not_shown() -> None:
    """Representations end up in logs."""
    token = EARToken(ISSUER, "id", NOON, (submodule(),), "canary")
    assert "canary" not in repr(token)
