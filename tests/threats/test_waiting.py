"""Nobody waits for somebody else's verification, look-up or policy (wire.md 14.2, 47).

Each test lets two things happen at once that meet in the middle; where one waited for the other to
end, they would never meet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from attestation_bench import evaluation, sample_request
from flask import Flask
from flask.testing import FlaskClient

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.policies import default_policy
from app.attestation.service import AttestationService
from app.attestation.verifiers.sample import VERIFIER
from app.blueprints.services import Services
from app.trust.json_types import JSONValue
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine
from guest.wire.encoding import b64url_encode

SECONDS = 20.0


class SlowVerifier:
    """The sample TEE, with something that happens during a verification."""

    tee, insecure = "sample", True

    def __init__(self, during: Callable[[], object]) -> None:
        self._during = during

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """See ``Verifier.verify``."""
        self._during()
        return VERIFIER.verify(evidence, binding, context)


@contextmanager
def attesting(app: Flask, service: AttestationService, count: int) -> Iterator[list[Future[str]]]:
    """As many guests at once; their tokens."""

    def attest() -> str:
        with app.app_context():
            nonce = service.issue_challenge("sample", "").nonce
            return service.attest(evaluation(sample_request(nonce))).token

    with ThreadPoolExecutor(count) as pool:
        yield [pool.submit(attest) for _ in range(count)]


def test_verifications_do_not_wait_for_each_other(app: Flask, services: Services) -> None:
    """Two guests are in the middle of their verification at one time."""
    meeting = threading.Barrier(2, timeout=SECONDS)
    verifiers = {"sample": SlowVerifier(meeting.wait)}
    service = replace(services.attestation, verifiers=verifiers)
    with attesting(app, service, 2) as tokens:
        assert all(each.result(SECONDS).count(".") == 2 for each in tokens)


@pytest.mark.parametrize("what", ["a policy", "a reference value"])
def test_changes_do_not_wait_for_verifications(
    app: Flask, services: Services, client: FlaskClient, owner: dict[str, str], what: str
) -> None:
    """A policy and a reference value are set while a guest is being verified."""
    begun, changed = threading.Event(), threading.Event()

    def during() -> None:
        begun.set()
        assert changed.wait(SECONDS)

    service = replace(services.attestation, verifiers={"sample": SlowVerifier(during)})
    with attesting(app, service, 1) as (token,):
        try:
            assert begun.wait(SECONDS)
            response = client.post(CHANGES[what][0], json=CHANGES[what][1], headers=owner)
            assert response.status_code == 200
            assert not token.done()
        finally:
            changed.set()
        assert token.result(SECONDS)


POLICY = b64url_encode(default_policy("default_cpu").encode())
CHANGES = {
    "a policy": ("/policy", {"policy_id": "default_cpu", "policy": POLICY}),
    "a reference value": (
        "/reference-value",
        {"version": "0.1.0", "type": "sample", "payload": "eyJzdm4iOiBbIjEiXX0="},
    ),
}


def test_lookups_within_policies_do_not_wait_for_each_other() -> None:
    """Two evaluations are in the middle of looking a reference value up at one time."""
    meeting = threading.Barrier(2, timeout=SECONDS)
    engine = RegorusEngine()
    policy = PolicyText.of("default_cpu", default_policy("default_cpu"))

    def lookup(name: str) -> JSONValue:
        meeting.wait()
        return ["1"]

    def evaluate() -> object:
        claims = {"sample": {"svn": "1"}}
        try:
            return engine.evaluate(policy, ("executables", "hardware"), claims, lookup=lookup)
        finally:
            engine.close()

    with ThreadPoolExecutor(2) as pool:
        found = [each.result(SECONDS) for each in [pool.submit(evaluate) for _ in range(2)]]
    assert found == [{"executables": 33, "hardware": 97}] * 2
