"""Secure Execution in the passport model: its own challenge vouches for freshness, once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from attestation_bench import TEE_KEY, ASBench, evaluation
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from simulated.se import Firmware, SimulatedZ

from app.attestation.verifiers.se import SEVerifier
from app.trust.errors import DomainError
from guest.wire.appraisals import VerificationRequest
from guest.wire.encoding import b64_encode
from guest.wire.runtime_data import hash_algorithm_of, runtime_data, runtime_data_digest


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> SimulatedZ:
    """A machine whose operator made no mistakes."""
    return SimulatedZ(tmp_path_factory.mktemp("z"))


@pytest.fixture
def bench(machine: SimulatedZ) -> ASBench:
    """A service that takes its evidence."""
    bench = ASBench({"se": SEVerifier()})
    rules = replace(bench.service.rules, verifier_options={"se": machine.options()})
    bench.service = replace(bench.service, rules=rules)
    return bench


def answer(machine: SimulatedZ, challenge: str, answered: str | None = None) -> VerificationRequest:
    """Evidence that is bound to a challenge, and answers it or another one."""
    bound = runtime_data(challenge, TEE_KEY, "")
    digest = runtime_data_digest(bound, hash_algorithm_of("se"))
    evidence = Firmware(machine.host_key).attest(answered or challenge, digest.ljust(64, b"\0"))
    return VerificationRequest("se", evidence, bound)


def code(bench: ASBench, request: VerificationRequest) -> str:
    """The reason code of a request; ``accepted`` when there is none."""
    try:
        bench.service.attest(evaluation(request))
    except DomainError as error:
        return error.code
    return "accepted"


def test_a_challenge_vouches_once(bench: ASBench, machine: SimulatedZ) -> None:
    """Evidence for it is accepted, and the same evidence again is not."""
    challenge = bench.service.issue_challenge("se", "").nonce
    request = answer(machine, challenge)
    assert [code(bench, request) for _ in range(2)] == ["accepted", "nonce-used"]


def test_a_challenge_of_another_server_is_unknown(bench: ASBench, machine: SimulatedZ) -> None:
    """And so is one without a nonce, as the KBS hands out in its own handshake."""
    other = ASBench({"se": SEVerifier()})
    other.service = replace(other.service, rules=bench.service.rules)
    foreign = other.service.issue_challenge("se", "").nonce
    bare, _ = bench.service.challenge("se", "")
    assert bare is not None
    for challenge in (foreign, bare):
        assert code(bench, answer(machine, challenge)) == "nonce-unknown"


def test_evidence_for_another_challenge_is_refused(bench: ASBench, machine: SimulatedZ) -> None:
    """Both are ours, and the guest mixes them."""
    first, second = (bench.service.issue_challenge("se", "").nonce for _ in range(2))
    assert code(bench, answer(machine, first, second)) == "binding-mismatch"


def test_a_request_of_the_guest_s_own_proves_nothing(bench: ASBench, machine: SimulatedZ) -> None:
    """Whoever learnt this server's public key can choose the key that the measurement is under."""
    challenge = bench.service.issue_challenge("se", "").nonce
    own = load_pem_private_key((machine.folder / "key.pem").read_bytes(), None)
    known: dict[str, Any] = json.loads(challenge)
    for name, size in (("encr_measurement_key", 64), ("encr_request_nonce", 16)):
        sealed = own.public_key().encrypt(bytes(size), padding.PKCS1v15())  # type: ignore[union-attr,call-arg]
        known[name] = b64_encode(sealed)
    request = answer(machine, challenge)
    forged = {name: known[name] for name in ("encr_measurement_key", "encr_request_nonce")}
    evidence = request.evidence
    assert isinstance(evidence, dict)
    assert code(bench, replace(request, evidence=evidence | forged)) == "binding-mismatch"
