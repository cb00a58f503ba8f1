"""The sample TEE: what little it checks."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import NOON
from hypothesis import given
from hypothesis import strategies as st
from simulated.collateral import MemoryCollateral

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers.sample import VERIFIER
from app.trust.errors import BindingMismatchError, DomainError, MalformedEvidenceError
from guest.wire.encoding import b64_encode

CONTEXT = Context(NOON, MemoryCollateral({}))


def verify(body: Any, report_data: bytes | None = None, init_data: bytes | None = None) -> Claims:
    """The one set of claims, or the refusal."""
    evidence = UnverifiedEvidence("sample", body)
    (claims,) = VERIFIER.verify(evidence, Binding(report_data, init_data), CONTEXT)
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
    "report data that is base64url": {"svn": "1", "report_data": "_-_-"},
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


def test_missing_report_data_is_empty() -> None:
    """As Trustee's guests may leave it out."""
    assert verify({"svn": "1"}, b"").values["report_data"] == ""
    with pytest.raises(BindingMismatchError):
        verify({"svn": "1"}, b"bound")


def test_the_claims_are_those_that_policies_for_the_sample_tee_expect() -> None:
    """Names and values are Trustee's."""
    claims = verify({"svn": "1", "report_data": b64_encode(b"bound")}, b"bound")
    assert claims == Claims(
        "cpu",
        {
            "svn": "1",
            "report_data": b64_encode(b"bound"),
            "launch_digest": "abcde",
            "platform_version": {"major": 1, "minor": 4},
            "debug": False,
        },
    )


def test_init_data_is_repeated_and_said_to_be_unverified() -> None:
    """A policy can tell what this TEE cannot prove."""
    values = verify({"svn": "1"}, None, bytes(48)).values
    assert values["init_data"] == b64_encode(bytes(48))
    assert values["init_data_verified"] is False


def test_it_is_marked_insecure() -> None:
    """So it needs a setting that says so."""
    assert VERIFIER.insecure is True


@given(
    st.dictionaries(
        st.sampled_from(["svn", "report_data", "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_no_json_does_anything_but_verify_or_be_refused(body: dict[str, Any]) -> None:
    """Whatever stands in the place of a member."""
    try:
        assert verify(body).values["launch_digest"] == "abcde"
    except DomainError as refusal:
        assert refusal.code == "malformed-evidence"  # noqa: PT017 - both outcomes are right
