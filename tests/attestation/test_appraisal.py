"""What a policy may yield; everything else fails closed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attestation.appraisal import ChosenPolicy, appraise, extensions, trust_vector
from app.attestation.composition import Environment
from app.attestation.ear import Extension
from app.trust.errors import PolicyFailedError
from app.trust.policy_engine import UNDEFINED, PolicyText
from app.trust.regorus_engine import RegorusEngine

BAD_VECTORS = [
    UNDEFINED,
    None,
    {},
    [],
    3,
    "text",
    {"hardware": 128},
    {"hardware": -129},
    {"hardware": 258},
    {"hardware": 2.5},
    {"hardware": True},
    {"hardware": None},
    {"hardware": "2"},
    {"hardware": [2]},
    {"hardwear": 2},
    {"hardware": 2, "": 2},
]


@pytest.mark.parametrize("result", BAD_VECTORS)
def test_refuses_what_is_no_trust_vector(result: Any) -> None:
    """Upstream wraps 258 to 2 and panics at an unknown name (wire.md 14.2, 34)."""
    with pytest.raises(PolicyFailedError):
        trust_vector(result)


def test_takes_a_trust_vector_as_it_is() -> None:
    """The bounds are in."""
    vector = {"hardware": -128, "executables": 127, "configuration": 0}
    assert trust_vector(vector) == vector


def extension(**members: Any) -> dict[str, Any]:
    """A good extension with some members changed."""
    return {"name": "ear.x", "key": 1, "value": 2, **members}


BAD_EXTENSIONS = [
    None,
    {},
    "text",
    [None],
    [extension(name="")],
    [extension(name=7)],
    [extension(name="ear.status")],
    [extension(name="ear.trustworthiness-vector")],
    [extension(name="ear.veraison.annotated-evidence")],
    [extension(name="ear.appraisal-policy-id")],
    [extension(key="1")],
    [extension(key=True)],
    [extension(key=2**31)],
    [extension(value=None)],
    [extension(), extension(key=2)],
    [extension(), extension(name="ear.y")],
    [extension(name=f"ear.{n}", key=n) for n in range(65)],
]


@pytest.mark.parametrize("result", BAD_EXTENSIONS)
def test_refuses_what_is_no_extension(result: Any) -> None:
    """A policy cannot write the claims that judge it."""
    with pytest.raises(PolicyFailedError):
        extensions(result)


def test_extensions_may_be_missing() -> None:
    """Most policies have none."""
    assert extensions(UNDEFINED) == extensions([]) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values)
def test_no_result_makes_it_crash(result: Any) -> None:
    """Whatever a policy yields ends in values or in the one error."""
    for read in (trust_vector, extensions):
        with contextlib.suppress(PolicyFailedError):
            read(result)


def test_an_unknown_name_is_shown_cut() -> None:
    """A policy can take the name from evidence."""
    with pytest.raises(PolicyFailedError) as caught:
        trust_vector({"x" * 1000: 2})
    assert len(caught.value.message) < 100


def test_a_policy_judges_an_environment() -> None:
    """Vector and extensions of the policy, evidence as it was, reference values as asked for."""
    text = """package policy
import rego.v1
trust_claims := {"hardware": 2} if input.snp.svn in query_reference_value("svn")
extensions := [{"name": "ear.x", "key": 1, "value": input.snp.svn}]
"""
    environment = Environment("cpu0", "cpu", {"snp": {"svn": 3}})
    policy = ChosenPolicy("default", PolicyText.of("p", text))
    found = appraise(environment, policy, RegorusEngine(), {"svn": [3]}.get)
    assert found.vector == {"hardware": 2}
    assert found.extensions == (Extension("ear.x", 1, 3),)
    assert (found.name, found.policy_id) == ("cpu0", "default")
    with pytest.raises(PolicyFailedError):
        appraise(environment, policy, RegorusEngine(), {}.get)
