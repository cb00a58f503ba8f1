"""The use cases of the Attestation Service: challenge, attest, appraise."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from app.attestation.appraisal import ChosenPolicy, appraise
from app.attestation.challenges import (
    Challenges,
    ConsumedNonceStore,
    IssuedChallenge,
    OpenNonce,
)
from app.attestation.collateral.ports import CollateralSource
from app.attestation.collateral.states import CollateralRules, ConsultedCollateral
from app.attestation.composition import Bound, Environment, bind, name_environments
from app.attestation.ear import EARToken, Issuer
from app.attestation.evidence import Challenger, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.policies import AttestationPolicies
from app.attestation.records import AppraisalDraft
from app.attestation.reference_values import ReferenceValues
from app.trust.appraiser import AppraisalRequest, Appraised, EvidenceItem
from app.trust.clock import Clock
from app.trust.decisions import DecisionStore
from app.trust.errors import (
    BindingMismatchError,
    DomainError,
    MalformedRequestError,
    MissingNonceError,
    StoreUnavailableError,
    UnknownTEEError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policy_engine import PolicyEngine
from app.trust.revisions import Revisions, RevisionStore
from app.trust.token_keys import TokenKeys
from app.trust.transactions import Transactions
from guest.wire.appraisals import AttestationEvaluation
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json

_log = structlog.get_logger(__name__)

DEFAULT_POLICY_ID = "default"
_TOKEN_ID_BYTES = 16
_HASH_OFFER = "supported-hash-algorithms"


@dataclass(frozen=True, slots=True)
class AppraisalRules:
    """How this service appraises.

    Attributes:
        issuer: who signs.
        verbose_token: whether policies and tokens see the evidence of devices again.
        require_nonce: whether ``attest`` refuses requests without a nonce of this service.
        verifier_options: settings of verifiers, by wire name.
        collateral: what the states of collateral mean for evidence.
    """

    issuer: Issuer
    verbose_token: bool
    require_nonce: bool
    verifier_options: Mapping[str, Mapping[str, JSONValue]]
    collateral: CollateralRules = field(default_factory=CollateralRules)


@dataclass(frozen=True, slots=True)
class AttestationService:
    """Evidence in, token out. Fits the port ``Appraiser``."""

    verifiers: Mapping[str, Verifier]
    collateral: CollateralSource
    policies: AttestationPolicies
    reference_values: ReferenceValues
    token_keys: TokenKeys
    challenges: Challenges
    engine: PolicyEngine
    decisions: DecisionStore
    consumed_nonces: ConsumedNonceStore
    revisions: RevisionStore
    transactions: Transactions
    clock: Clock
    rules: AppraisalRules

    def issue_challenge(self, tee: str, tee_params: JSONValue) -> IssuedChallenge:
        """What evidence of a TEE is to be bound to; nothing is written.

        Args:
            tee: its wire name.
            tee_params: ``extra-params`` of the guest, as JSON or as the text of JSON.

        Raises:
            UnknownTEEError: no verifier for the TEE is enabled.
            MalformedRequestError: the parameters do not parse.
        """
        nonce, extra_params = self.challenge(tee, _parameters(tee_params))
        if nonce is not None:
            return self.challenges.issue_within(nonce, extra_params, self.clock.now())
        issued = self.challenges.issue(self.clock.now())
        return IssuedChallenge(issued.nonce, extra_params, issued.expires_at)

    def challenge(self, tee: str, parameters: JSONValue) -> tuple[str | None, JSONValue]:
        """See ``Appraiser.challenge``.

        Raises:
            UnknownTEEError: no verifier for the TEE is enabled.
            MalformedRequestError: the guest offers no hash algorithm that its TEE can use.
        """
        verifier = self._verifier(tee)
        if not isinstance(verifier, Challenger):
            return None, ""
        document = verifier.challenge(parameters, self._context(tee, self.clock.now()))
        return document, _selected_hash(parameters)

    def attest(self, evaluation: AttestationEvaluation) -> Appraised:
        """The passport model: a token for evidence that is bound to a nonce of this service.

        A request whose nonce is not good is refused before anything of it is looked at, and leaves
        no record: nothing was appraised, and a flood of such requests writes nothing.

        Raises:
            MissingNonceError: there is no nonce and settings require one.
            UnknownNonceError, ExpiredNonceError: the nonce is not ours, or its time is over.
            UsedNonceError: it has vouched already.
            DomainError: as ``appraise``.
        """
        revisions = self.revisions.current()
        items = tuple(evidence_items(evaluation))
        policy_id = next(iter(evaluation.policy_ids), DEFAULT_POLICY_ID)
        nonce = self._open_nonce(items, revisions)
        request = AppraisalRequest(items, policy_id, nonce.text if nonce else None)
        draft = AppraisalDraft(request, self.clock.now())
        try:
            appraised = self._appraise(draft, revisions)
            with self.transactions():
                if nonce is not None:
                    self.consumed_nonces.consume(nonce.digest, nonce.expires_at)
                self.decisions.add(appraised.record)
        except DomainError as error:
            self._refuse(draft, error)
            raise
        return appraised

    def appraise(self, request: AppraisalRequest) -> Appraised:
        """See ``Appraiser.appraise``."""
        draft = AppraisalDraft(request, self.clock.now())
        try:
            return self._appraise(draft, self.revisions.current())
        except DomainError as error:
            self._refuse(draft, error)
            raise

    def _appraise(self, draft: AppraisalDraft, revisions: Revisions) -> Appraised:
        request = draft.request
        if not request.items:
            raise MalformedRequestError("there is no evidence to appraise")
        environments = list(name_environments(self._verify(request, draft.at)))
        self._judge(environments, draft, revisions)
        token = EARToken(
            issuer=self.rules.issuer,
            token_id=secrets.token_hex(_TOKEN_ID_BYTES),
            issued_at=draft.at,
            submodules=tuple(draft.submodules),
            nonce=request.nonce,
        )
        signer = self.token_keys.signer(revisions.signing_keys).signer
        signed = signer.sign(token.as_json())
        record = draft.allowed(token)
        tee, status = request.items[0].tee, token.tier.label
        _log.info("appraised", decision=record.decision_id, tee=tee, status=status)
        return Appraised(signed, token.token_id, tee, status, record)

    def _verify(self, request: AppraisalRequest, now: datetime) -> list[tuple[str, Bound, Claims]]:
        """Every environment that the evidence proves, the primary first."""
        verified: list[tuple[str, Bound, Claims]] = []
        for item in request.items:
            verifier = self._verifier(item.tee)
            bound = bind(item, verbose=self.rules.verbose_token)
            evidence = UnverifiedEvidence(item.tee, item.unverified_evidence)
            options = self.rules.verifier_options.get(item.tee, {})
            rules = self.rules.collateral.for_options(options)
            consulted = ConsultedCollateral(self.collateral, rules, now)
            context = Context(now, consulted, options, request.nonce)
            claims = verifier.verify(evidence, bound.binding, context)
            assert claims, "a verifier vouches for something or raises"
            consulted.check()
            state = consulted.claims()
            verified += [
                (item.tee, bound, replace(each, values=each.values | state)) for each in claims
            ]
        return verified

    def _judge(
        self, environments: list[Environment], draft: AppraisalDraft, revisions: Revisions
    ) -> None:
        """Let each environment's policy judge it; the draft keeps what took part."""
        lookup = self.reference_values.lookup(revisions.reference_values, draft.at)
        draft.reference_values = lookup.read
        for environment in environments:
            policy_id = f"{draft.request.policy_id}_{environment.tee_class}"
            text = self.policies.active_text(policy_id, revisions.policies)
            draft.policies[policy_id] = text.digest
            draft.inputs[environment.name] = (policy_id, environment.annotated_evidence)
            policy = ChosenPolicy(draft.request.policy_id, text)
            draft.submodules.append(appraise(environment, policy, self.engine, lookup))

    def _open_nonce(
        self, items: tuple[EvidenceItem, ...], revisions: Revisions
    ) -> OpenNonce | None:
        """The nonce that all evidence is bound to; ``None`` where settings let it be missing."""
        bound_to = [_bound_to(item) for item in items]
        if any(each != bound_to[0] for each in bound_to):
            raise BindingMismatchError(
                "the pieces of evidence are bound to different nonces or keys"
            )
        nonce = bound_to[0][0]
        if nonce is not None:
            return self.challenges.open(nonce, self.clock.now(), revisions)
        if self.rules.require_nonce:
            raise MissingNonceError("evidence must be bound to a nonce of this service")
        return None

    def _refuse(self, draft: AppraisalDraft, error: DomainError) -> None:
        """Write a refusal down, in a transaction of its own, and tell its id with the error."""
        if isinstance(error, StoreUnavailableError):
            return
        record = draft.denied(error)
        try:
            with self.transactions():
                self.decisions.add(record)
        except StoreUnavailableError:
            # What was wrong first is what the caller is told; the log keeps both.
            _log.warning("a refusal could not be recorded", reason=error.code)
            return
        error.decision_id = record.decision_id
        _log.info("refused", decision=record.decision_id, tee=record.tee, reason=error.code)

    def _verifier(self, tee: str) -> Verifier:
        verifier = self.verifiers.get(tee)
        if verifier is None:
            raise UnknownTEEError(f"no verifier for {tee[:32]!r} is enabled here")
        return verifier

    def _context(self, tee: str, now: datetime) -> Context:
        return Context(now, self.collateral, self.rules.verifier_options.get(tee, {}))


def evidence_items(evaluation: AttestationEvaluation) -> list[EvidenceItem]:
    """What a request asks to be verified, the primary evidence first."""
    return [
        EvidenceItem(
            tee=each.tee,
            unverified_evidence=each.evidence,
            runtime_data=each.runtime_data,
            raw_runtime_data=each.raw_runtime_data,
            init_data_toml=each.init_data_toml,
            init_data_digest=each.init_data_digest,
            hash_algorithm=each.hash_algorithm,
        )
        for each in evaluation.verification_requests
    ]


def _bound_to(item: EvidenceItem) -> tuple[str | None, JSONObject | None]:
    """Nonce and TEE key of structured runtime data; devices must repeat those of the primary."""
    runtime_data = item.runtime_data or {}
    nonce, key = runtime_data.get("nonce"), runtime_data.get("tee-pubkey")
    if nonce is not None and not isinstance(nonce, str):
        raise MalformedRequestError("the nonce in the runtime data is no text")
    return nonce or None, key


def _parameters(tee_params: JSONValue) -> JSONValue:
    """``extra-params``: upstream's gRPC form and remote brokers send JSON as text."""
    if not isinstance(tee_params, str) or not tee_params:
        return tee_params
    try:
        return parse_json(tee_params)
    except WireError as error:
        raise MalformedRequestError("tee_params is not the text of JSON") from error


def _selected_hash(parameters: JSONValue) -> JSONValue:
    """``extra-params`` of a TEE with a challenge of its own, which is hashed with SHA-512 only."""
    if not isinstance(parameters, dict) or _HASH_OFFER not in parameters:
        return ""
    offered = parameters[_HASH_OFFER]
    names = offered if isinstance(offered, list) else []
    if "sha512" not in [name.lower() for name in names if isinstance(name, str)]:
        raise MalformedRequestError("this TEE needs sha512 among the supported hash algorithms")
    return {"selected-hash-algorithm": "sha512"}
