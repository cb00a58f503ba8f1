"""A recorded appraisal comes out again as it was recorded."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from attestation_bench import OWNER, ASBench, evaluation, sample_request

from app.attestation.replay import replay
from app.trust.decisions import DecisionRecord, Outcome
from app.trust.errors import DomainError
from app.trust.replays import Replayed


@pytest.fixture
def bench() -> ASBench:
    """A service that takes the sample TEE."""
    bench = ASBench()
    bench.affirm()
    return bench


def attest(bench: ASBench, **changes: Any) -> DecisionRecord:
    """Attest, and give the record of how it ended."""
    policy_id = changes.pop("policy_id", "default")
    body = evaluation(sample_request(bench.nonce(), **changes), policy_id=policy_id)
    with contextlib.suppress(DomainError):
        bench.service.attest(body)
    return bench.db.decisions[-1]


def again(bench: ASBench, record: DecisionRecord) -> Replayed:
    """Replay with the policies of the bench's database."""
    return replay(record, bench.policies.by_digest, bench.engine)


def test_a_changed_record_comes_out_otherwise(bench: ASBench) -> None:
    """A record that claims more than its inputs give does not replay."""
    record = attest(bench)
    for false in (
        replace(record, reason="warning"),
        replace(record, outcome=Outcome.DENIED, reason="policy-failed"),
        replace(record, inputs={**record.inputs, "reference_values": {}}),
    ):
        assert not again(bench, false).same


def test_an_affirmed_appraisal_replays(bench: ASBench) -> None:
    """Under the policy and the values of then, whatever holds now."""
    record = attest(bench)
    bench.service.reference_values.withdraw("svn", OWNER)
    text = 'package policy\nimport rego.v1\ntrust_claims := {"hardware": 97}'
    bench.service.policies.set("default_cpu", text, OWNER)
    assert again(bench, record) == Replayed.of(record, Outcome.ALLOWED, "affirming")


def test_a_contraindicated_appraisal_replays() -> None:
    """Values that were not there then are not there in the replay."""
    bench = ASBench()
    record = attest(bench)
    bench.affirm()
    assert again(bench, record) == Replayed.of(record, Outcome.ALLOWED, "contraindicated")


def test_a_failing_policy_fails_again(bench: ASBench) -> None:
    """With the same reason."""
    text = "package policy\nimport rego.v1\ntrust_claims := {input.sample.svn: 2}"
    bench.service.policies.set("bad_cpu", text, OWNER)
    record = attest(bench, policy_id="bad")
    assert record.reason == "policy-failed"
    assert again(bench, record).same


def test_a_refusal_before_any_policy_comes_out_as_recorded(bench: ASBench) -> None:
    """Evidence is not kept, so there is nothing to make again."""
    for record in (attest(bench, evidence={"svn": 7}), attest(bench, policy_id="none")):
        assert again(bench, record).same


def test_a_used_nonce_comes_out_as_recorded(bench: ASBench) -> None:
    """The policies had nothing against it."""
    request = evaluation(sample_request(bench.nonce()))
    bench.service.attest(request)
    with pytest.raises(DomainError):
        bench.service.attest(request)
    record = bench.db.decisions[-1]
    assert record.reason == "nonce-used"
    assert again(bench, record).same


def test_a_text_that_is_gone_is_told(bench: ASBench) -> None:
    """Without the policy as it was, the replay says so."""
    record = attest(bench)
    replayed = replay(record, lambda _digest: None, bench.engine)
    assert (replayed.same, replayed.reason) == (False, "policy-not-found")
