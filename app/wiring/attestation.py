"""The Attestation Service, put together."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version

from app.attestation.challenges import Challenges
from app.attestation.collateral.sources import CollateralSources
from app.attestation.ear import Issuer as TokenIssuer
from app.attestation.extractors import load_extractors
from app.attestation.inspection import EvidenceInspector, UnkeptCollateral
from app.attestation.policies import AttestationPolicies
from app.attestation.reference_value_messages import MessageReader
from app.attestation.reference_values import ReferenceValues
from app.attestation.service import AppraisalRules, AttestationService
from app.named.reference_values import open_message_signers
from app.named.verifiers import open_verifiers
from app.settings import (
    Settings,
)
from app.store.nonces import SQLConsumedNonceStore
from app.store.reference_values import SQLReferenceValueStore
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import (
    TicketKeySource,
)
from app.wiring.collateral import collateral_rules
from app.wiring.foundations import Foundations


def attestation_policies(base: Foundations) -> AttestationPolicies:
    """Attestation policies and their versions."""
    return AttestationPolicies(base.keeping, base.revisions)


def attestation_service(base: Foundations, collateral: CollateralSources) -> AttestationService:
    """The AS: evidence in, token out."""
    settings = base.settings.attestation
    challenge_keys = TicketKeySource(base.keys, base.sealer, KeyPurpose.CHALLENGE)
    return AttestationService(
        verifiers=open_verifiers(base.settings),
        collateral=collateral,
        policies=attestation_policies(base),
        reference_values=reference_values(base),
        token_keys=base.token_keys,
        challenges=Challenges(
            challenge_keys, timedelta(seconds=settings.challenge_lifetime_seconds)
        ),
        engine=base.engine,
        decisions=base.decisions,
        consumed_nonces=SQLConsumedNonceStore(base.database),
        revisions=base.revisions,
        transactions=base.database.transaction,
        clock=base.clock,
        rules=_appraisal_rules(base.settings),
    )


def evidence_inspector(
    attestation: AttestationService, found: CollateralSources
) -> EvidenceInspector:
    """Looks at evidence with the same verifiers, and leaves nothing behind."""
    return EvidenceInspector(
        verifiers=attestation.verifiers,
        collateral=UnkeptCollateral(found, attestation.clock),
        options=attestation.rules.verifier_options,
        clock=attestation.clock,
    )


def _build(settings: Settings) -> str:
    """Which program appraises; tokens of a server that believes a lab say so."""
    trusting = " trusting a lab" if settings.attestation.insecure_trust_lab is not None else ""
    return f"vouchgate {version('vouchgate')}{trusting}"


def _appraisal_rules(settings: Settings) -> AppraisalRules:
    attestation = settings.attestation
    return AppraisalRules(
        issuer=TokenIssuer(
            name=settings.token_issuer,
            audience=attestation.audience,
            lifetime_seconds=attestation.token_lifetime_seconds,
            developer=attestation.developer,
            build=_build(settings),
        ),
        verbose_token=attestation.verbose_token,
        require_nonce=not attestation.insecure_allow_no_nonce,
        verifier_options=attestation.verifier_options,
        collateral=collateral_rules(settings.collateral),
    )


def reference_values(base: Foundations) -> ReferenceValues:
    """Reference values, and the extractors that read messages."""
    return ReferenceValues(
        store=SQLReferenceValueStore(base.database),
        messages=MessageReader(
            load_extractors(base.settings.rvps.extractors),
            open_message_signers(base.settings.rvps),
            base.clock,
        ),
        revisions=base.revisions,
        transactions=base.database.transaction,
        audit=base.audit,
        clock=base.clock,
        rule=base.rule,
    )
