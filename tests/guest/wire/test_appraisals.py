"""Messages of the Attestation Service's REST interface."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.appraisals import (
    AttestationEvaluation,
    VerificationRequest,
    parse_attestation_evaluation,
    parse_verification_request,
)
from guest.wire.encoding import b64url_encode
from guest.wire.errors import WireError

EVIDENCE = b64url_encode(b'{"svn":"1"}')
# The request of guest.md 5.2.
FULL = {
    "tee": "tdx",
    "evidence": EVIDENCE,
    "runtime_data": {"structured": {"additional-evidence": "", "nonce": "n", "tee-pubkey": {}}},
    "runtime_data_hash_algorithm": "sha384",
    "init_data": {"init_data_toml": 'version = "1"'},
}


@pytest.mark.parametrize(
    "change",
    [
        {"tee": None},
        {"tee": "T D X"},
        {"evidence": None},
        {"evidence": "{}"},
        {"evidence": EVIDENCE + "="},
        {"evidence": b64url_encode(b"not json")},
        {"evidence": b64url_encode(b'{"a":1,"a":2}')},
        {"evidence": b64url_encode(b"[" * 100)},
        {"runtime_data": []},
        {"runtime_data": {}},
        {"runtime_data": {"raw": "*"}},
        {"runtime_data": {"raw": 1}},
        {"runtime_data": {"raw": "A" * 2000}},
        {"runtime_data": {"raw": "AA", "structured": {}}},
        {"runtime_data": {"structured": "text"}},
        {"runtime_data_hash_algorithm": "md5"},
        {"runtime_data_hash_algorithm": 384},
        {"init_data": "x"},
        {"init_data": {}},
        {"init_data": {"init_data_digest": "=="}},
        {"init_data": {"init_data_toml": 1}},
        {"init_data": {"init_data_toml": "x" * (256 * 1024 + 1)}},
        {"init_data": {"init_data_toml": "x", "init_data_digest": "AA"}},
    ],
)
def test_refuses_other_verification_requests(change: dict[str, Any]) -> None:
    """Wrong types, both of two alternatives, and what does not decode."""
    with pytest.raises(WireError):
        parse_verification_request({**FULL, **change})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"verification_requests": []},
        {"verification_requests": {}},
        {"verification_requests": [1]},
        {"verification_requests": [FULL] * 18},
        {"verification_requests": [FULL], "policy_ids": "default"},
        {"verification_requests": [FULL], "policy_ids": [1]},
        {"verification_requests": [FULL], "policy_ids": [""]},
        {"verification_requests": [FULL], "policy_ids": ["p" * 129]},
        {"verification_requests": [FULL], "policy_ids": ["p"] * 17},
    ],
)
def test_refuses_other_evaluations(value: Any) -> None:
    """At least one request, and policy ids that are texts."""
    with pytest.raises(WireError):
        parse_attestation_evaluation(value)


def test_reads_the_request_of_the_specification() -> None:
    """Evidence comes decoded, the alternatives apart."""
    request = parse_verification_request(FULL)
    assert request.evidence == {"svn": "1"}
    assert request.runtime_data == FULL["runtime_data"]["structured"]
    assert request.raw_runtime_data is None
    assert request.init_data_toml == 'version = "1"'
    assert request.as_json() == FULL


def test_reads_the_other_alternatives() -> None:
    """Raw runtime data and a digest of init data; names are case-insensitive."""
    value = {
        "tee": "sample",
        "evidence": EVIDENCE,
        "runtime_data": {"raw": "AAE"},
        "runtime_data_hash_algorithm": "SHA512",
        "init_data": {"init_data_digest": "AgM"},
    }
    request = parse_verification_request(value)
    assert request.raw_runtime_data == b"\0\1"
    assert request.init_data_digest == b"\2\3"
    assert request.hash_algorithm == "sha512"
    assert request.as_json() == {**value, "runtime_data_hash_algorithm": "sha512"}


def test_reads_what_upstreams_guest_sends() -> None:
    """No runtime data, no init data, an empty list of policies (guest.md 5.1); or no list."""
    value = {"verification_requests": [{"tee": "sample", "evidence": EVIDENCE}], "policy_ids": []}
    expected = AttestationEvaluation((VerificationRequest("sample", {"svn": "1"}),))
    assert parse_attestation_evaluation(value) == expected
    del value["policy_ids"]
    assert parse_attestation_evaluation(value) == expected
    named = parse_attestation_evaluation({**value, "policy_ids": ["mine"]})
    assert named.policy_ids == ("mine",)
    assert parse_attestation_evaluation(named.as_json()) == named


def test_an_empty_algorithm_is_none() -> None:
    """As the gRPC twin has it (wire.md 8.2)."""
    request = parse_verification_request({**FULL, "runtime_data_hash_algorithm": ""})
    assert request.hash_algorithm is None


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FULL)),
    value=st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.dictionaries(
        st.sampled_from(["raw", "structured", "init_data_toml", "init_data_digest"]),
        st.none() | st.text(max_size=9) | st.dictionaries(st.text(max_size=2), st.integers()),
    ),
)
def test_any_member_parses_or_is_a_wire_error(name: str, value: Any) -> None:
    """Nothing that a stranger puts into a member raises anything else."""
    with contextlib.suppress(WireError):
        parse_verification_request({**FULL, name: value})
