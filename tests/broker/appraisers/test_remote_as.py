"""A remote Attestation Service is asked, never blamed on the guest, and believed last."""

from __future__ import annotations

import json
from typing import Any

import pytest
from broker.world import World
from fakes import FakeHTTP
from minting import Mint, ear_claims, tee_key

from app.broker.appraisers.circuit_breaker import FAILURES_TO_OPEN, OPEN_FOR, CircuitBreaker
from app.broker.appraisers.remote_as import RemoteAppraiser
from app.trust.appraiser import AppraisalRequest, Appraiser, EvidenceItem
from app.trust.decisions import DecisionKind, Outcome
from app.trust.errors import AppraiserUnavailableError, DomainError, UnverifiedError
from app.trust.http_client import HTTPReply
from guest.wire.appraisals import parse_attestation_evaluation
from guest.wire.runtime_data import runtime_data

URL = "https://as.example"
NONCE = "the nonce"


class Remote:
    """A remote service that answers as it is told, and the appraiser that asks it."""

    def __init__(self, world: World) -> None:
        self.world, self.http = world, FakeHTTP()
        self.key = world.public_key.as_json()
        self.appraiser: Appraiser = RemoteAppraiser(
            url=URL,
            client=self.http,
            breaker=CircuitBreaker(),
            verifier=world.broker.verifier,
            decisions=world.decisions,
            transactions=world.db.transactions,
            revisions=world.revisions,
            clock=world.clock,
        )

    def reply(self, status: int, body: bytes | str, **headers: str) -> None:
        """What the next request is answered with."""
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.replies.append(HTTPReply(status, named, raw))

    def problem(self, status: int, **members: Any) -> None:
        """Problem details, as our own service writes them."""
        self.reply(status, json.dumps(members), content_type="application/problem+json")

    def request(self, tee: str = "snp") -> AppraisalRequest:
        """What a handshake asks for."""
        bound = runtime_data(NONCE, self.key, "")
        items = (
            EvidenceItem(tee, {"quote": "q"}, bound, init_data_toml="text"),
            EvidenceItem("nvidia", [1], runtime_data(NONCE, self.key, None)),
        )
        return AppraisalRequest(items, "default", NONCE)

    def refused(self) -> DomainError:
        """The error of an appraisal."""
        with pytest.raises(DomainError) as caught:
            self.appraiser.appraise(self.request())
        return caught.value


@pytest.fixture
def remote(world: World) -> Remote:
    """A remote service whose tokens are trusted."""
    return Remote(world)


def test_an_outage_is_503_and_not_recorded(remote: Remote) -> None:
    """The guest is to come back, not to attest again."""
    remote.http.down = True
    error = remote.refused()
    assert isinstance(error, AppraiserUnavailableError)
    assert error.retry_after >= 1
    assert not remote.world.db.decisions


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 429, 502, 503, 504])
def test_an_answer_that_says_nothing_of_evidence_is_an_outage(remote: Remote, status: int) -> None:
    """Wrong address, wrong proxy, overload: all of them the operator's matter."""
    remote.reply(status, "<html>")
    assert isinstance(remote.refused(), AppraiserUnavailableError)


def test_an_internal_error_of_our_own_service_is_an_outage(remote: Remote) -> None:
    """A 500 with a reason code is no refusal of evidence."""
    remote.problem(500, code="internal", detail="secret detail")
    error = remote.refused()
    assert isinstance(error, AppraiserUnavailableError)
    assert "secret" not in error.message


def test_after_a_row_of_outages_it_is_left_alone(remote: Remote) -> None:
    """Guests get their answer at once, and the service a chance to recover."""
    remote.http.down = True
    for _ in range(FAILURES_TO_OPEN):
        remote.refused()
    asked = len(remote.http.asked)
    error = remote.refused()
    assert isinstance(error, AppraiserUnavailableError)
    assert error.retry_after == OPEN_FOR.total_seconds()
    assert len(remote.http.asked) == asked
    remote.http.down = False
    remote.world.clock.forward(seconds=OPEN_FOR.total_seconds())
    remote.reply(200, remote.world.token())
    remote.appraiser.appraise(remote.request())


def test_refusals_do_not_open_the_circuit(remote: Remote) -> None:
    """Bad evidence from many guests is no outage."""
    for _ in range(FAILURES_TO_OPEN + 1):
        remote.reply(500, "verifier error")
        assert isinstance(remote.refused(), UnverifiedError)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, "cause chain as text", "unverified"),
        (400, "bad json", "malformed-evidence"),
        (413, "", "malformed-evidence"),
        (422, '{"code":"binding-mismatch","detail":"d"}', "binding-mismatch"),
        (422, '{"code":"certificate-revoked"}', "certificate-revoked"),
        (400, '{"code":"malformed-evidence","detail":1}', "malformed-evidence"),
        (400, '{"code":"tee-unsupported","detail":"d"}', "tee-unsupported"),
        (401, '{"code":"nonce-used","detail":"d"}', "nonce-used"),
        (403, '{"code":"policy-failed","detail":"d"}', "policy-failed"),
        (404, '{"code":"policy-not-found","detail":"d"}', "policy-not-found"),
        (503, '{"code":"collateral-unavailable"}', "appraiser-unavailable"),
        (422, '{"code":"never-heard-of"}', "appraiser-unavailable"),
        (422, '{"code":["binding-mismatch"]}', "appraiser-unavailable"),
    ],
)
def test_refusals_keep_their_reason(remote: Remote, status: int, body: str, code: str) -> None:
    """Ours by its code, Trustee's by its status; each refusal is on record."""
    remote.reply(status, body)
    error = remote.refused()
    assert error.code == code
    if code == "appraiser-unavailable":
        assert not remote.world.db.decisions
        return
    (record,) = remote.world.db.decisions
    assert (record.outcome, record.reason, record.kind) == (
        Outcome.DENIED,
        code,
        DecisionKind.APPRAISAL,
    )
    assert error.decision_id == record.decision_id


def no_nonce(key: dict[str, str]) -> dict[str, Any]:
    """Claims that repeat no nonce."""
    return {"submods": ear_claims(key, nonce=1)["submods"], "eat_nonce": None}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "case",
    [
        "no token",
        "not ascii",
        "other signer",
        "other issuer",
        "expired",
        "other key",
        "no key",
        "other nonce",
        "other nonce inside",
        "no nonce",
    ],
)
def test_disbelieves(remote: Remote, case: str) -> None:
    """A token that this KBS would not accept from a guest is not accepted from the service."""
    world, other = remote.world, tee_key()[1].as_json()
    tokens: dict[str, Any] = {
        "no token": lambda: "",
        "not ascii": lambda: "\u00e4",
        "other signer": lambda: Mint().sign(ear_claims(remote.key)),
        "other issuer": lambda: world.token(iss="https://evil.example"),
        "expired": lambda: world.token(exp=1),
        "other key": lambda: world.mint.sign(ear_claims(other)),
        "no key": lambda: world.mint.sign(ear_claims(None)),
        "other nonce": lambda: world.token(eat_nonce="another"),
        "other nonce inside": lambda: world.mint.sign(ear_claims(remote.key, nonce="another")),
        "no nonce": lambda: world.token(**no_nonce(remote.key)),
    }
    remote.reply(200, tokens[case]())
    assert isinstance(remote.refused(), AppraiserUnavailableError)
    assert not world.db.decisions


def test_asks_as_the_wire_has_it(remote: Remote) -> None:
    """Every item with its runtime data and the hash of its own TEE (wire.md 8.1)."""
    remote.reply(200, remote.world.token())
    remote.appraiser.appraise(remote.request("se"))
    assert remote.http.asked == [f"{URL}/attestation"]
    (body,) = remote.http.posted
    evaluation = parse_attestation_evaluation(body)
    primary, device = evaluation.verification_requests
    assert (primary.tee, primary.evidence, primary.hash_algorithm) == (
        "se",
        {"quote": "q"},
        "sha512",
    )
    assert (device.tee, device.evidence, device.hash_algorithm) == ("nvidia", [1], "sha384")
    assert primary.runtime_data == runtime_data(NONCE, remote.key, "")
    assert (primary.init_data_toml, evaluation.policy_ids) == ("text", ("default",))


def test_a_believed_token_comes_with_a_record_for_the_caller(remote: Remote) -> None:
    """Nothing is stored on success; the caller writes the record with its session."""
    text = remote.world.token()
    remote.reply(200, text + "\n", vouchgate_decision="remote-id")
    appraised = remote.appraiser.appraise(remote.request())
    assert (appraised.token, appraised.token_id) == (text, "token-1")
    assert (appraised.tee, appraised.status) == ("snp", "affirming")
    assert not remote.world.db.decisions
    record = appraised.record
    assert (record.outcome, record.reason, record.subject) == (
        Outcome.ALLOWED,
        "affirming",
        "default",
    )
    assert record.result["remote-decision"] == "remote-id"
    assert NONCE not in json.dumps(record.result)
    assert text not in json.dumps(record.result)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ([], "none"),
        (["affirming"], "affirming"),
        (["affirming", "none"], "affirming"),
        (["warning", "contraindicated", "affirming"], "contraindicated"),
        (["affirming", "splendid"], "contraindicated"),
        (["affirming", None], "contraindicated"),
        (["affirming", ["affirming"]], "contraindicated"),
    ],
)
def test_the_status_is_the_worst_of_all(remote: Remote, statuses: list[Any], worst: str) -> None:
    """A tier that is no tier counts as the worst."""
    claims = ear_claims(remote.key)
    cpu = claims["submods"].pop("cpu0")
    cpu["ear.status"] = statuses[0] if statuses else "none"
    claims["submods"] = {"cpu0": cpu}
    claims["submods"] |= {f"gpu{n}": {"ear.status": s} for n, s in enumerate(statuses[1:])}
    remote.reply(200, remote.world.mint.sign(claims))
    assert remote.appraiser.appraise(remote.request()).status == worst


def test_our_service_issues_the_nonce(remote: Remote) -> None:
    """It vouches for freshness, so the challenge is its own."""
    remote.reply(
        200,
        json.dumps({"nonce": "n", "extra-params": {"selected-hash-algorithm": "sha384"}}),
        content_type="application/json",
    )
    assert remote.appraiser.challenge("snp", {"a": 1}) == (
        "n",
        {"selected-hash-algorithm": "sha384"},
    )
    assert remote.http.asked == [f"{URL}/challenge"]
    assert remote.http.posted == [{"tee": "snp", "tee_params": '{"a": 1}'}]


def test_trustees_service_has_nothing_to_say_but_for_secure_execution(remote: Remote) -> None:
    """An empty answer means a plain nonce; anything else is the TEE's document."""
    remote.reply(200, "")
    remote.reply(200, '{"request_blob": "AA=="}', content_type="text/plain")
    assert remote.appraiser.challenge("snp", None) == (None, "")
    assert remote.appraiser.challenge("se", None) == ('{"request_blob": "AA=="}', "")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"nonce": 1}', "application/json"),
        (b"\xff", "text/plain"),
        (b"n" * 70_000, "text/plain"),
    ],
)
def test_refuses_a_malformed_challenge(remote: Remote, body: bytes, content_type: str) -> None:
    """What is no challenge is the service's fault."""
    remote.reply(200, body, content_type=content_type)
    with pytest.raises(AppraiserUnavailableError):
        remote.appraiser.challenge("snp", "")


def test_a_tee_that_is_unknown_there_is_unknown_here(remote: Remote) -> None:
    """The guest is told so at the start of its handshake."""
    remote.problem(400, code="tee-unsupported", detail="no verifier for this TEE is enabled")
    with pytest.raises(DomainError) as caught:
        remote.appraiser.challenge("cca", "")
    assert caught.value.code == "tee-unsupported"
