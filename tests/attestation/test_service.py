"""The Attestation Service: what it vouches for, what it refuses, what it writes down."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from attestation_bench import (
    OWNER,
    TEE_KEY,
    ASBench,
    evaluation,
    sample_request,
    token_claims,
)
from fakes import NOON, MemoryDecisions

from app.attestation.collateral.ports import Collateral
from app.attestation.collateral.states import Behaviour, CollateralRules
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.trust.appraiser import AppraisalRequest, Appraiser, EvidenceItem
from app.trust.decisions import DecisionRecord, Outcome
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    DomainError,
    ExpiredNonceError,
    MalformedEvidenceError,
    MalformedInitDataError,
    MalformedRequestError,
    MissingNonceError,
    PolicyFailedError,
    PolicyNotFoundError,
    StoreUnavailableError,
    UnknownNonceError,
    UnknownTEEError,
    UsedNonceError,
)
from app.trust.json_types import JSONObject
from guest.wire.appraisals import AttestationEvaluation
from guest.wire.encoding import b64_encode
from guest.wire.runtime_data import runtime_data


class DeviceVerifier:
    """A verifier whose evidence is a list of classes to vouch for."""

    tee, insecure = "nvidia", True

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """See ``Verifier.verify``."""
        return [Claims(each, {"arch": "HOPPER"}) for each in evidence.body]


class ChallengingVerifier(DeviceVerifier):
    """A verifier that brings a challenge of its own."""

    tee = "se"

    def challenge(self, parameters: Any, context: Context) -> str:
        """See ``Challenger.challenge``."""
        return '{"request_blob": ""}'


@pytest.fixture
def bench() -> ASBench:
    """A service that takes the sample TEE."""
    bench = ASBench()
    bench.affirm()
    return bench


def refused(bench: ASBench, body: AttestationEvaluation) -> DomainError:
    """The error that a request ends in."""
    with pytest.raises(DomainError) as caught:
        bench.service.attest(body)
    return caught.value


def last_record(bench: ASBench) -> DecisionRecord:
    """The newest decision."""
    return bench.db.decisions[-1]


# --- Nonces -------------------------------------------------------------------


def test_a_nonce_that_is_not_good_is_refused_without_a_trace(bench: ASBench) -> None:
    """Nothing was appraised, and a flood of such requests writes nothing."""
    commits = bench.db.commits
    for nonce in ("", "bm9uY2U=", "?", ASBench().nonce()):
        error = refused(bench, evaluation(sample_request(nonce)))
        assert isinstance(error, UnknownNonceError | MissingNonceError)
    assert isinstance(refused(bench, evaluation(sample_request(None))), MissingNonceError)
    old = bench.nonce()
    bench.clock.forward(minutes=6)
    assert isinstance(refused(bench, evaluation(sample_request(old))), ExpiredNonceError)
    assert (bench.db.commits, bench.db.decisions) == (commits, [])


@pytest.mark.parametrize("nonce", [7, True, ["a"], {}])
def test_a_nonce_is_a_text(bench: ASBench, nonce: Any) -> None:
    """Another type is a malformed request."""
    request = sample_request(None, runtime_data={"nonce": nonce})
    assert isinstance(refused(bench, evaluation(request)), MalformedRequestError)


def test_raw_runtime_data_have_no_nonce(bench: ASBench) -> None:
    """Bytes that were hashed elsewhere prove nothing of freshness."""
    request = sample_request(None, raw_runtime_data=b"x" * 48)
    assert isinstance(refused(bench, evaluation(request)), MissingNonceError)


def test_a_nonce_vouches_once(bench: ASBench) -> None:
    """The second token is refused and written down; its nonce stays consumed."""
    nonce = bench.nonce()
    bench.service.attest(evaluation(sample_request(nonce)))
    error = refused(bench, evaluation(sample_request(nonce)))
    assert isinstance(error, UsedNonceError)
    assert last_record(bench).reason == "nonce-used"
    assert error.decision_id == last_record(bench).decision_id
    assert len(bench.db.nonces) == 1


def test_a_refusal_does_not_consume(bench: ASBench) -> None:
    """A guest may correct itself while the nonce is good."""
    nonce = bench.nonce()
    refused(bench, evaluation(sample_request(nonce, evidence={"svn": 7})))
    assert bench.service.attest(evaluation(sample_request(nonce))).status == "affirming"


def test_evidence_of_two_guests_is_refused(bench: ASBench) -> None:
    """All evidence of a request is bound to one nonce and one key."""
    nonce = bench.nonce()
    primary = sample_request(nonce)
    for other in (
        sample_request(bench.nonce()),
        sample_request(None),
        sample_request(nonce, runtime_data=runtime_data(nonce, TEE_KEY | {"x": "eg"}, None)),
    ):
        assert isinstance(refused(bench, evaluation(primary, other)), BindingMismatchError)


def test_without_a_nonce_the_token_says_so() -> None:
    """Where settings allow it at all."""
    bench = ASBench(require_nonce=False)
    claims = token_claims(bench.service.attest(evaluation(sample_request(None))).token)
    assert claims["ear.vouchgate.freshness"] == "none"
    assert "eat_nonce" not in claims
    error = refused(bench, evaluation(sample_request("bm9uY2U=")))
    assert isinstance(error, UnknownNonceError)


# --- Appraisals that are refused ----------------------------------------------

REFUSALS: dict[str, tuple[dict[str, Any], type[DomainError]]] = {
    "an unknown TEE": ({"tee": "snp"}, UnknownTEEError),
    "evidence that does not parse": ({"evidence": {"svn": 7}}, MalformedEvidenceError),
    "other report data": (
        {"evidence": {"svn": "1", "report_data": b64_encode(b"x" * 48)}},
        BindingMismatchError,
    ),
    "another hash": ({"hash_algorithm": "sha256"}, BindingMismatchError),
    "init data that do not parse": ({"init_data_toml": "="}, MalformedInitDataError),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_written_down(bench: ASBench, name: str) -> None:
    """With the digest of the evidence, in a transaction of their own; the error tells the id."""
    changes, kind = REFUSALS[name]
    request = sample_request(bench.nonce(), **changes)
    error = refused(bench, evaluation(request))
    assert type(error) is kind
    record = last_record(bench)
    assert error.decision_id == record.decision_id
    assert (record.outcome, record.reason) == (Outcome.DENIED, kind.code)
    assert (record.tee, record.subject) == (request.tee, "default")
    canonical = json.dumps(request.evidence, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    assert record.inputs == {"evidence": [{"tee": request.tee, "digest": digest}]}
    assert bench.db.nonces == {}


def test_a_missing_policy_is_refused(bench: ASBench) -> None:
    """There is no appraisal without a policy."""
    error = refused(bench, evaluation(sample_request(bench.nonce()), policy_id="other"))
    assert isinstance(error, PolicyNotFoundError)
    assert last_record(bench).reason == "policy-not-found"


@pytest.mark.parametrize("value", [300, 2.5, True, "2", None])
def test_a_policy_that_fails_gives_no_token(bench: ASBench, value: Any) -> None:
    """What no check could foresee fails closed, and is recorded with what the policy saw."""
    claim = "input.init_data_claims.agent_policy_claims.v"
    text = f'package policy\nimport rego.v1\ntrust_claims := {{"hardware": {claim}}}'
    bench.service.policies.set("bad_cpu", text, OWNER)
    data = f"'policy.rego' = 'policy_data := {json.dumps({'v': value})}'"
    toml = f"version = '1'\nalgorithm = 'sha256'\n[data]\n{data}"
    request = sample_request(bench.nonce(), init_data_toml=toml)
    error = refused(bench, evaluation(request, policy_id="bad"))
    assert isinstance(error, PolicyFailedError)
    assert last_record(bench).reason == "policy-failed"
    (seen,) = last_record(bench).inputs["submods"].values()
    assert seen["input"]["init_data_claims"] == {"agent_policy_claims": {"v": value}}


def test_an_empty_request_is_refused(bench: ASBench) -> None:
    """Without evidence there is nothing to vouch for."""
    with pytest.raises(MalformedRequestError):
        bench.service.appraise(AppraisalRequest((), "default", "nonce"))


def test_an_outage_is_told_as_one(bench: ASBench) -> None:
    """It cannot be recorded, and is no reason to call the evidence bad."""
    body = evaluation(sample_request(bench.nonce()))
    bench.db.down = True
    error = refused(bench, body)
    assert isinstance(error, StoreUnavailableError)
    assert error.decision_id is None


class BrokenDecisions(MemoryDecisions):
    """A store that takes no decision."""

    def add(self, record: DecisionRecord) -> None:
        """See the port."""
        raise StoreUnavailableError("the disk is full")


def test_no_token_without_a_record(bench: ASBench) -> None:
    """The nonce is not consumed either: both are one transaction."""
    object.__setattr__(bench.service, "decisions", BrokenDecisions(bench.db))
    error = refused(bench, evaluation(sample_request(bench.nonce())))
    assert isinstance(error, StoreUnavailableError)
    assert bench.db.nonces == {}


# --- Tokens -------------------------------------------------------------------


def test_an_affirming_token(bench: ASBench) -> None:
    """Nonce, key, claims, vector and policy of the guest, signed by the current key."""
    nonce = bench.nonce()
    appraised = bench.service.attest(evaluation(sample_request(nonce)))
    claims = token_claims(appraised.token)
    assert (claims["eat_nonce"], claims["ear.vouchgate.freshness"]) == (nonce, "nonce")
    assert (claims["jti"], claims["iss"]) == (appraised.token_id, "https://as.example")
    cpu = claims["submods"]["cpu0"]
    assert (cpu["ear.status"], cpu["ear.appraisal-policy-id"]) == ("affirming", "default")
    evidence = cpu["ear.veraison.annotated-evidence"]
    assert evidence["runtime_data_claims"]["tee-pubkey"] == TEE_KEY
    assert evidence["sample"]["svn"] == "1"
    assert cpu["ear.trustee.identifiers"] == {"validated": {}}
    assert (appraised.tee, appraised.status) == ("sample", "affirming")


def test_without_reference_values_nothing_is_affirmed() -> None:
    """Genuine is not enough."""
    bench = ASBench()
    assert bench.service.attest(evaluation(sample_request(bench.nonce()))).status == (
        "contraindicated"
    )


def test_a_change_takes_effect_on_the_next_request(bench: ASBench) -> None:
    """Reference values and policies, without a restart."""
    attest = bench.service.attest
    bench.service.reference_values.withdraw("svn", OWNER)
    assert attest(evaluation(sample_request(bench.nonce()))).status == "contraindicated"
    text = 'package policy\nimport rego.v1\ntrust_claims := {"hardware": 32}'
    bench.service.policies.set("default_cpu", text, OWNER)
    assert attest(evaluation(sample_request(bench.nonce()))).status == "warning"


def test_devices_are_appraised_by_their_own_policies() -> None:
    """The worst of all is the status; each class has its policy, each part its name."""
    bench = ASBench({"nvidia": DeviceVerifier()})
    items = (EvidenceItem("nvidia", ["gpu", "gpu", "switch", "ppcie"]),)
    appraised = bench.service.appraise(AppraisalRequest(items, "default", "nonce"))
    submods = token_claims(appraised.token)["submods"]
    assert {name: part["ear.status"] for name, part in submods.items()} == {
        "gpu0": "contraindicated",
        "gpu1": "contraindicated",
        "switch0": "contraindicated",
        "ppcie0": "affirming",
    }
    assert appraised.status == "contraindicated"
    assert set(appraised.record.inputs["policies"]) == {
        "default_gpu",
        "default_switch",
        "default_ppcie",
    }


def test_an_appraisal_for_the_broker_is_stored_by_the_broker(bench: ASBench) -> None:
    """The record comes back with the token, to be stored in the caller's transaction."""
    appraiser: Appraiser = bench.service
    request = sample_request("n")
    item = EvidenceItem("sample", request.evidence, request.runtime_data)
    commits = bench.db.commits
    appraised = appraiser.appraise(AppraisalRequest((item,), "default", "n"))
    assert (bench.db.commits, bench.db.decisions) == (commits, [])
    assert token_claims(appraised.token)["eat_nonce"] == "n"


def test_the_record_tells_all_but_the_nonce(bench: ASBench) -> None:
    """Claims, policies, reference values and outcome; digests of each; no token, no nonce."""
    nonce = bench.nonce()
    appraised = bench.service.attest(evaluation(sample_request(nonce)))
    record = last_record(bench)
    assert record == appraised.record
    assert (record.outcome, record.reason) == (Outcome.ALLOWED, "affirming")
    assert (record.token_id, record.issuer) == (appraised.token_id, "https://as.example")
    policy = bench.service.policies.get("default_cpu")
    assert record.policy_digest == policy.digest
    assert record.inputs["policies"] == {"default_cpu": policy.digest}
    assert record.inputs["reference_values"]["svn"] == ["1"]
    assert record.reference_values_digest
    assert record.result["cpu0"]["status"] == "affirming"
    told = repr(record)
    assert nonce not in told
    assert appraised.token not in told


def test_the_hot_path_is_short(bench: ASBench) -> None:
    """One reading of the revisions, one transaction, no policy and no key loaded again."""
    bench.service.attest(evaluation(sample_request(bench.nonce())))
    body = evaluation(sample_request(bench.nonce()))
    before = (bench.revisions.reads, bench.db.commits, bench.policies.reads, bench.keys.reads)
    bench.service.attest(body)
    after = (bench.revisions.reads, bench.db.commits, bench.policies.reads, bench.keys.reads)
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 0, 0]


# --- Challenges ---------------------------------------------------------------


def test_a_challenge_for_an_unknown_tee_is_refused(bench: ASBench) -> None:
    """It could never attest."""
    with pytest.raises(UnknownTEEError):
        bench.service.issue_challenge("snp", "")


@pytest.mark.parametrize("parameters", ["{", "nan", '{"a": 1, "a": 2}'])
def test_parameters_that_do_not_parse_are_refused(bench: ASBench, parameters: str) -> None:
    """As text they are the text of JSON."""
    with pytest.raises(MalformedRequestError):
        bench.service.issue_challenge("sample", parameters)


@pytest.mark.parametrize("parameters", ["", None, {}, "{}", '{"supported-hash-algorithms": []}'])
def test_a_plain_nonce_selects_nothing(bench: ASBench, parameters: Any) -> None:
    """Whatever the guest offers (wire.md 2.2)."""
    issued = bench.service.issue_challenge("sample", parameters)
    assert issued.extra_params == ""
    assert issued.expires_at is not None
    assert bench.service.challenge("sample", parameters) == (None, "")


def test_a_tee_with_its_own_challenge() -> None:
    """Its document carries the nonce, and it is hashed with SHA-512 only."""
    bench = ASBench({"se": ChallengingVerifier()})
    issued = bench.service.issue_challenge("se", {"supported-hash-algorithms": ["SHA512"]})
    document = json.loads(issued.nonce)
    assert document.keys() == {"request_blob", "as_nonce"}
    assert issued.expires_at > bench.clock.now()
    assert issued.extra_params == {"selected-hash-algorithm": "sha512"}
    assert bench.service.issue_challenge("se", "").extra_params == ""
    for offered in (["sha256"], [], "sha512", [7]):
        with pytest.raises(MalformedRequestError):
            bench.service.issue_challenge("se", {"supported-hash-algorithms": offered})


# --- Collateral ---------------------------------------------------------------


class ConsultingVerifier:
    """A verifier that looks at what its evidence names, and does without what is not there."""

    tee, insecure = "sample", True

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """See ``Verifier.verify``."""
        for name in evidence.body["names"]:
            with contextlib.suppress(CollateralUnavailableError):
                context.collateral.get(name)
        return [Claims("cpu", {"svn": "1"})]


class StaleCollateral:
    """The port ``CollateralSource`` with one document that is over."""

    def get(self, name: str) -> Collateral:
        """See the port."""
        if name != "a/stale":
            raise CollateralUnavailableError(f"no source has {name}")
        return Collateral(name, b"", {}, NOON, "x", None, NOON, NOON)


def consulting(*names: str, **rules: Behaviour) -> JSONObject:
    """The claims after a verification that looked at these documents."""
    bench = ASBench(
        {"sample": ConsultingVerifier()},
        collateral=StaleCollateral(),
        collateral_rules=CollateralRules(**rules),
    )
    request = sample_request(bench.nonce(), evidence={"names": [*names]})
    token = bench.service.attest(evaluation(request)).token
    submodule = token_claims(token)["submods"]["cpu0"]
    claims: JSONObject = submodule["ear.veraison.annotated-evidence"]["sample"]
    return claims


def test_policies_and_tokens_see_the_state_of_collateral() -> None:
    """The worst of what was looked at; nothing when nothing was."""
    assert consulting("a/stale", stale=Behaviour.CLAIM)["collateral_state"] == "stale"
    assert consulting("a/gone", missing=Behaviour.CLAIM)["collateral_state"] == "missing"
    assert "collateral_state" not in consulting()


@pytest.mark.parametrize(
    ("name", "code"), [("a/stale", "collateral-stale"), ("a/gone", "collateral-unavailable")]
)
def test_what_is_stale_or_missing_is_refused_by_default(name: str, code: str) -> None:
    """Even when the verifier could do without it."""
    with pytest.raises(DomainError) as refusal:
        consulting(name)
    assert refusal.value.code == code
