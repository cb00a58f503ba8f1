"""An Attestation Service elsewhere as the Appraiser: ours or Trustee's, over REST (wire.md 8.1).

Its outage is never the guest's fault, so it is 503 and not 401; neither is a token of it that this
KBS does not accept. What it returns is believed only after it was verified like any other token,
and found to be about this guest's key and nonce.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from app.broker.annotated_evidence import measurement_of
from app.broker.appraisers.circuit_breaker import CircuitBreaker, OpenCircuitError
from app.broker.json_pointers import resolve
from app.broker.tokens import TokenVerifier, VerifiedToken
from app.trust.appraiser import AppraisalRequest, Appraised, EvidenceItem
from app.trust.clock import Clock
from app.trust.decisions import (
    DecisionKind,
    DecisionRecord,
    DecisionStore,
    Outcome,
    new_decision_id,
    redact,
)
from app.trust.errors import (
    AppraiserUnavailableError,
    DomainError,
    MalformedError,
    MalformedEvidenceError,
    MalformedPolicyError,
    PolicyFailedError,
    PolicyNotFoundError,
    TokenError,
    UnavailableError,
    UnknownTEEError,
    UnsupportedError,
    UnverifiedError,
)
from app.trust.http_client import HTTPClient, HTTPReply, OutsideError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.revisions import RevisionStore
from app.trust.transactions import Transactions
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.errors import WireError
from guest.wire.jwk import parse_tee_public_key
from guest.wire.messages import NONCE_LIMIT, parse_challenge
from guest.wire.runtime_data import hash_algorithm_of
from guest.wire.strict_json import parse_json_object

DECISION_HEADER = "vouchgate-decision"

# AR4SI tiers from best to worst (wire.md 9.3).
_TIERS = ("none", "affirming", "warning", "contraindicated")
# Where the nonce of a token may be: in the claim made for it, or among the repeated runtime data.
_NONCE_PATHS = (
    "/eat_nonce",
    "/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/nonce",
)
# Statuses by which a service without our reason codes refuses what was sent. Trustee answers every
# failed verification with 500.
_MALFORMED_STATUSES = frozenset({400, 413, 422})
_REFUSED_STATUS = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteAppraiser:
    """Asks another Attestation Service (see ``Appraiser``).

    Attributes:
        url: its base address, without a trailing slash.
        client: with timeouts, and with the authorities that its certificate is checked against.
        breaker: remembers whether it answers.
        verifier: decides whether its tokens are believed.
    """

    url: str
    client: HTTPClient
    breaker: CircuitBreaker
    verifier: TokenVerifier
    decisions: DecisionStore
    transactions: Transactions
    revisions: RevisionStore
    clock: Clock

    def challenge(self, tee: str, parameters: JSONValue) -> tuple[str | None, JSONValue]:
        """What the service wants evidence to be bound to (see ``Appraiser.challenge``).

        Ours issues the nonce itself, because it vouches for freshness; Trustee's has one for IBM
        Secure Execution alone and says nothing for every other TEE.

        Raises:
            AppraiserUnavailableError: it did not answer.
            UnsupportedError: it does not know the TEE.
        """
        reply = self._post("/challenge", {"tee": tee, "tee_params": json.dumps(parameters)})
        if reply.status != 200:
            raise _challenge_refusal(reply)
        try:
            if reply.headers.get("content-type", "").startswith("application/json"):
                challenge = parse_challenge(parse_json_object(reply.body))
                return challenge.nonce, challenge.extra_params
            text = reply.body.decode("utf-8")
        except ValueError as error:
            raise _misbehaved("its challenge is malformed") from error
        if len(text) > NONCE_LIMIT:
            raise _misbehaved("its challenge is too long")
        return text or None, ""

    def appraise(self, request: AppraisalRequest) -> Appraised:
        """Have evidence appraised (see ``Appraiser.appraise``)."""
        try:
            reply = self._post("/attestation", _evaluation(request))
            if reply.status != 200:
                raise _refusal(reply)
        except UnavailableError:
            raise
        except DomainError as error:
            record = self._record(request, Outcome.DENIED, error.code)
            with self.transactions():
                self.decisions.add(record)
            error.decision_id = record.decision_id
            raise
        return self._believe(request, reply)

    def _post(self, path: str, body: JSONObject) -> HTTPReply:
        now = self.clock.now()
        try:
            self.breaker.enter(now)
            reply = self.client.post_json(self.url + path, json.dumps(body).encode())
        except OpenCircuitError as error:
            raise AppraiserUnavailableError(
                "the Attestation Service does not answer", retry_after=error.retry_after
            ) from error
        except OutsideError as error:
            self.breaker.failed(self.clock.now())
            raise AppraiserUnavailableError("the Attestation Service does not answer") from error
        if reply.status > _REFUSED_STATUS:
            self.breaker.failed(self.clock.now())
        else:
            self.breaker.succeeded()
        return reply

    def _believe(self, request: AppraisalRequest, reply: HTTPReply) -> Appraised:
        try:
            text = reply.body.decode("ascii").strip()
            token = self.verifier.verify(text, self.clock.now(), self.revisions.current())
            _check_binding(token, request)
        except (ValueError, TokenError, MalformedError) as error:
            _log.error("a token of the remote appraiser is not believed", reason=str(error))
            raise _misbehaved("its token is not accepted here") from error
        status = _status_of(token.claims)
        record = self._record(
            request,
            Outcome.ALLOWED,
            status,
            token=token,
            remote_decision=reply.headers.get(DECISION_HEADER),
        )
        return Appraised(
            token=text,
            token_id=token.token_id or "",
            tee=request.items[0].tee,
            status=status,
            record=record,
        )

    def _record(
        self,
        request: AppraisalRequest,
        outcome: Outcome,
        reason: str,
        *,
        token: VerifiedToken | None = None,
        remote_decision: str | None = None,
    ) -> DecisionRecord:
        """A record without policies and reference values: those are the other service's to keep."""
        now = self.clock.now()
        return DecisionRecord(
            decision_id=new_decision_id(now),
            kind=DecisionKind.APPRAISAL,
            at=now,
            outcome=outcome,
            reason=reason,
            tee=request.items[0].tee,
            subject=request.policy_id,
            token_id=token.token_id if token else None,
            issuer=token.iss if token else None,
            measurement=measurement_of(token.claims) if token else None,
            inputs={"appraiser": self.url},
            result={
                "claims": redact(token.claims) if token else None,
                "remote-decision": remote_decision,
            },
        )


def _evaluation(request: AppraisalRequest) -> JSONObject:
    items = tuple(_verification_request(item) for item in request.items)
    return AttestationEvaluation(items, (request.policy_id,)).as_json()


def _verification_request(item: EvidenceItem) -> VerificationRequest:
    return VerificationRequest(
        tee=item.tee,
        evidence=item.unverified_evidence,
        runtime_data=item.runtime_data,
        raw_runtime_data=item.raw_runtime_data,
        # Trustee's REST service takes SHA-384 for every TEE unless it is told otherwise.
        hash_algorithm=item.hash_algorithm or hash_algorithm_of(item.tee),
        init_data_toml=item.init_data_toml,
        init_data_digest=item.init_data_digest,
    )


def _check_binding(token: VerifiedToken, request: AppraisalRequest) -> None:
    """Refuse a token that is about another guest: a mix-up, or a replay.

    Raises:
        TokenError: the token is for another key or another nonce.
        MissingTEEKeyError, MalformedTEEKeyError: it has no usable key at all.
    """
    runtime_data = request.items[0].runtime_data
    assert runtime_data is not None, "a handshake binds evidence to nonce and key"
    offered = parse_tee_public_key(runtime_data["tee-pubkey"]).thumbprint()
    vouched = token.tee_public_key().thumbprint()
    if not hmac.compare_digest(offered.encode(), vouched.encode()):
        raise TokenError("the token is for another key")
    nonce = str(runtime_data["nonce"]).encode()
    found = [resolve(token.claims, path) for path in _NONCE_PATHS]
    named = [value.encode() for value in found if isinstance(value, str)]
    if not named or not all(hmac.compare_digest(value, nonce) for value in named):
        raise TokenError("the token is for another nonce")


def _status_of(claims: JSONObject) -> str:
    """The worst tier over all submodules; what is no tier counts as the worst."""
    submodules = claims.get("submods")
    if not isinstance(submodules, dict) or not submodules:
        return _TIERS[0]
    statuses = [
        each.get("ear.status") if isinstance(each, dict) else None for each in submodules.values()
    ]
    return max((s if s in _TIERS else _TIERS[-1] for s in statuses), key=_TIERS.index)


def _refusal(reply: HTTPReply) -> DomainError:
    """The error that an answer other than 200 stands for."""
    try:
        problem = parse_json_object(reply.body)
    except WireError:
        problem = {}
    code, detail = problem.get("code"), problem.get("detail")
    kind = _OUR_REFUSALS.get(code) if isinstance(code, str) else None
    if kind is not None:
        return kind(detail if isinstance(detail, str) else "the Attestation Service refused it")
    if code is None and reply.status == _REFUSED_STATUS:
        return UnverifiedError("the Attestation Service refused the evidence")
    if code is None and reply.status in _MALFORMED_STATUSES:
        return MalformedEvidenceError("the Attestation Service cannot read the evidence")
    return _misbehaved(f"it answers {reply.status}")


def _challenge_refusal(reply: HTTPReply) -> DomainError:
    """The error that no challenge stands for: there is no evidence yet that could be at fault."""
    error = _refusal(reply)
    if isinstance(error, UnverifiedError | MalformedEvidenceError):
        return UnknownTEEError("the Attestation Service has no challenge for this TEE")
    return error


def _misbehaved(what: str) -> AppraiserUnavailableError:
    return AppraiserUnavailableError(f"the Attestation Service cannot be used: {what}")


def _leaves(*families: type[DomainError]) -> Iterator[type[DomainError]]:
    for family in families:
        yield family
        yield from _leaves(*family.__subclasses__())


# What our own service says about evidence; each means the same here as there.
_OUR_REFUSALS = {
    kind.code: kind
    for kind in _leaves(
        MalformedError, UnverifiedError, UnsupportedError, PolicyFailedError, PolicyNotFoundError
    )
    if kind is not MalformedPolicyError
}
