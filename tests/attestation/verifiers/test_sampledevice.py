"""The sample device: what little it checks."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import NOON
from hypothesis import given
from hypothesis import strategies as st
from simulated.collateral import MemoryCollateral

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers import load_verifiers
from app.attestation.verifiers.sampledevice import VERIFIER
from app.trust.errors import (
    BindingMismatchError,
    ConfigError,
    DomainError,
    MalformedEvidenceError,
)
from guest.wire.encoding import b64_encode

CONTEXT = Context(NOON, MemoryCollateral({}))


def verify(body: Any, report_data: bytes | None = None) -> Claims:
    """The one set of claims, or the refusal."""
    evidence = UnverifiedEvidence("sampledevice", body)
    (claims,) = VERIFIER.verify(evidence, Binding(report_data), CONTEXT)
    return claims


MALFORMED: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "no svn": {"report_data": ""},
    "svn of a number": {"svn": 1},
    "report data of a list": {"svn": "1", "report_data": []},
    "report data of null": {"svn": "1", "report_data": None},
    "report data that is no base64": {"svn": "1", "report_data": "?"},
    "report data without padding": {"svn": "1", "report_data": "YQ"},
    "svn of a megabyte": {"svn": "1" * 2**20},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_json_of_another_shape_is_malformed(name: str) -> None:
    """Never a crash, always the guest's fault."""
    with pytest.raises(MalformedEvidenceError):
        verify(MALFORMED[name])


@pytest.mark.parametrize("found", [b"", b"boun", b"bound\0", b"other"])
def test_other_report_data_is_refused(found: bytes) -> None:
    """It is compared whole: nothing is padded, nothing is cut."""
    with pytest.raises(BindingMismatchError):
        verify({"svn": "1", "report_data": b64_encode(found)}, b"bound")


def test_it_needs_the_setting_for_what_anyone_can_forge() -> None:
    """It is refused like the sample TEE (wire.md 14.2, 44)."""
    assert VERIFIER.insecure is True
    with pytest.raises(ConfigError, match="anyone can forge"):
        load_verifiers(["sampledevice"], allow_insecure=False)
    assert load_verifiers(["sampledevice"], allow_insecure=True) == {"sampledevice": VERIFIER}


def test_the_claims_are_those_of_a_device() -> None:
    """Class and names are Trustee's; what nobody asked for stays out."""
    body = {"svn": "1", "report_data": b64_encode(b"bound"), "launch_digest": "abcde"}
    assert verify(body, b"bound") == Claims(
        "gpu", {"svn": "1", "report_data": b64_encode(b"bound")}
    )
    assert verify({"svn": "1"}, b"").values["report_data"] == ""


@given(
    st.dictionaries(
        st.sampled_from(["svn", "report_data", "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_no_json_does_anything_but_verify_or_be_refused(body: dict[str, Any]) -> None:
    """Whatever stands in the place of a member."""
    try:
        assert verify(body).tee_class == "gpu"
    except DomainError as refusal:
        assert refusal.code == "malformed-evidence"  # noqa: PT017 - both outcomes are right
