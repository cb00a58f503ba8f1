"""A TEE with devices: each is verified, named and judged by itself, and all are of one guest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation_bench import (
    TEE_KEY,
    ASBench,
    evaluation,
    sample_request,
    token_claims,
)
from simulated.nvidia import Report, SimulatedNVIDIA, evidence

from app.attestation.collateral.states import Behaviour, CollateralRules
from app.attestation.verifiers import load_verifiers
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.appraiser import AppraisalRequest, EvidenceItem
from app.trust.errors import BindingMismatchError, DomainError, UnknownTEEError
from guest.wire.appraisals import VerificationRequest
from guest.wire.encoding import b64_encode
from guest.wire.runtime_data import runtime_data, runtime_data_digest

SITE = SimulatedNVIDIA()


@pytest.fixture
def bench() -> ASBench:
    """A service that takes the sample TEE and two kinds of devices, out of reach of responders."""
    verifiers = load_verifiers(["sample", "sampledevice"], allow_insecure=True)
    verifiers["nvidia"] = NVIDIAVerifier().with_extra_roots(SITE.root.pem)
    bench = ASBench(verifiers, collateral_rules=CollateralRules(missing=Behaviour.CLAIM))
    bench.affirm()
    return bench


def sample_device(nonce: str, algorithm: str = "sha384", **changes: Any) -> VerificationRequest:
    """Evidence of the sample device, bound as devices are: without ``additional-evidence``."""
    bound = runtime_data(nonce, TEE_KEY, None)
    found = {"svn": "1", "report_data": b64_encode(runtime_data_digest(bound, algorithm))}
    return replace(VerificationRequest("sampledevice", found, bound), **changes)


def gpu(nonce: str, bound_to: str | None = None) -> VerificationRequest:
    """Evidence of a simulated Hopper."""
    bound = runtime_data(nonce, TEE_KEY, None)
    digest = runtime_data_digest(runtime_data(bound_to or nonce, TEE_KEY, None))
    report = Report(nonce=digest[:32]).signed_by(SITE.device)
    return VerificationRequest("nvidia", evidence(report, SITE.chain()), bound)


def refused(bench: ASBench, *requests: VerificationRequest) -> DomainError:
    """The error that a request ends in."""
    with pytest.raises(DomainError) as caught:
        bench.service.attest(evaluation(*requests))
    return caught.value


def test_a_device_that_is_bound_as_the_tee_is_refused(bench: ASBench) -> None:
    """Its runtime data has no ``additional-evidence``: the digests differ (wire.md 2.5)."""
    nonce = bench.nonce()
    device = sample_device(nonce)
    other = b64_encode(runtime_data_digest(runtime_data(nonce, TEE_KEY, "")))
    wrong = replace(device, evidence={"svn": "1", "report_data": other})
    assert isinstance(refused(bench, sample_request(nonce), wrong), BindingMismatchError)


@pytest.mark.parametrize("kind", ["sampledevice", "nvidia"])
def test_a_device_of_another_nonce_is_refused(bench: ASBench, kind: str) -> None:
    """Whether it says so, or only its evidence does; and then nothing is vouched for."""
    nonce, other = bench.nonce(), bench.nonce()
    if kind == "nvidia":
        lying = gpu(nonce, bound_to=other)
        honest = gpu(other)
    else:
        honest = sample_device(other)
        lying = replace(sample_device(nonce), evidence=honest.evidence)
    for device in (lying, honest):
        assert isinstance(refused(bench, sample_request(nonce), device), BindingMismatchError)


def test_a_device_for_another_key_is_refused(bench: ASBench) -> None:
    """All pieces of evidence are of one guest."""
    nonce = bench.nonce()
    bound = runtime_data(nonce, TEE_KEY | {"x": "eQ"}, None)
    found = {"svn": "1", "report_data": b64_encode(runtime_data_digest(bound))}
    device = sample_device(nonce, evidence=found, runtime_data=bound)
    assert isinstance(refused(bench, sample_request(nonce), device), BindingMismatchError)


def test_a_device_without_a_verifier_refuses_all(bench: ASBench) -> None:
    """Nothing is left out in silence."""
    nonce = bench.nonce()
    device = sample_device(nonce, tee="nvidia-dpu")
    assert isinstance(refused(bench, sample_request(nonce), device), UnknownTEEError)


def test_each_part_has_its_name_its_class_and_its_policy(bench: ASBench) -> None:
    """A processor and two kinds of devices of one class, counted together."""
    nonce = bench.nonce()
    requests = sample_request(nonce), sample_device(nonce), gpu(nonce)
    appraised = bench.service.attest(evaluation(*requests))
    submods = token_claims(appraised.token)["submods"]
    assert {name: part["ear.status"] for name, part in submods.items()} == {
        "cpu0": "affirming",
        "gpu0": "contraindicated",
        "gpu1": "contraindicated",
    }
    assert appraised.status == "contraindicated"
    shown = {name: part["ear.veraison.annotated-evidence"] for name, part in submods.items()}
    assert shown["gpu0"]["sampledevice"] == {"svn": "1"}
    assert set(shown["gpu0"]["runtime_data_claims"]) == {"nonce", "tee-pubkey"}
    assert set(shown["gpu1"]) == {"nvidia"}
    assert set(appraised.record.inputs["policies"]) == {"default_cpu", "default_gpu"}


def test_devices_are_hashed_with_the_algorithm_of_their_guest(bench: ASBench) -> None:
    """A Secure Execution guest binds its devices with SHA-512 (wire.md 14.2, 46)."""
    nonce = bench.nonce()
    device = sample_device(nonce, "sha512")
    item = EvidenceItem("sampledevice", device.evidence, device.runtime_data)
    items = (replace(item, hash_algorithm="sha512"),)
    assert bench.service.appraise(AppraisalRequest(items, "default", nonce)).tee == "sampledevice"
    with pytest.raises(BindingMismatchError):
        bench.service.appraise(AppraisalRequest((item,), "default", nonce))
