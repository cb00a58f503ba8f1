"""Decision records of appraisals: digests that tell two inputs apart, and nothing secret."""

from __future__ import annotations

import hashlib

import pytest
from fakes import NOON

from app.attestation.ear import Extension, Submodule
from app.attestation.records import AppraisalDraft, evidence_digest
from app.trust.appraiser import AppraisalRequest, EvidenceItem
from app.trust.errors import UnknownTEEError, UsedNonceError

REQUEST = AppraisalRequest((EvidenceItem("snp", {"a": 2**64 - 1}),), "default", "canary")


@pytest.mark.parametrize("evidence", [None, 7, "é", "\ud800", [2**70], {"b": 1, "a": {"c": 2.5}}])
def test_any_evidence_has_a_digest(evidence: object) -> None:
    """Also what has no canonical form."""
    assert len(evidence_digest(evidence)) == 64


def test_the_digest_does_not_depend_on_the_order_of_members() -> None:
    """Members of an object have none."""
    assert evidence_digest({"a": 1, "b": 2}) == evidence_digest({"b": 2, "a": 1})
    assert evidence_digest({"a": 1}) != evidence_digest({"a": "1"})


def test_a_refusal_before_any_policy_has_no_digests_of_policies() -> None:
    """There is nothing that they could be of."""
    record = AppraisalDraft(REQUEST, NOON).denied(UnknownTEEError("no verifier"))
    assert (record.policy_digest, record.reference_values_digest) == (None, None)
    assert (record.reason, record.tee, record.at) == ("tee-unsupported", "snp", NOON)
    assert record.latency_us >= 0


def test_several_policies_have_one_digest() -> None:
    """Of the sorted lines of id and digest."""
    draft = AppraisalDraft(REQUEST, NOON)
    draft.policies = {"default_gpu": "bb", "default_cpu": "aa"}
    expected = hashlib.sha256(b"default_cpu aa\ndefault_gpu bb\n").hexdigest()
    assert draft.denied(UsedNonceError("used")).policy_digest == expected
    draft.policies = {"default_cpu": "aa"}
    assert draft.denied(UsedNonceError("used")).policy_digest == "aa"


def test_nonces_are_recorded_as_digests() -> None:
    """In what the policy saw, and in what it said."""
    seen = {"runtime_data_claims": {"nonce": "canary", "tee-pubkey": {"kty": "EC"}}}
    draft = AppraisalDraft(REQUEST, NOON)
    draft.policies = {"default_cpu": "aa"}
    draft.inputs["cpu0"] = ("default_cpu", seen)
    said = (Extension("ear.x", 1, {"nonce": "canary"}),)
    draft.submodules.append(Submodule("cpu0", "default", {"hardware": 2}, seen, said))
    record = draft.denied(UsedNonceError("used"))
    assert "canary" not in repr((record.inputs, record.result))
    claims = record.inputs["submods"]["cpu0"]["input"]["runtime_data_claims"]
    assert claims["nonce"] == "sha256:" + hashlib.sha256(b"canary").hexdigest()
    assert seen["runtime_data_claims"]["nonce"] == "canary"
