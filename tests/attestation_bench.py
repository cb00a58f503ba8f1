"""A whole Attestation Service on a database in memory, and a guest of the sample TEE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fakes import (
    FakeClock,
    MemoryAuditLog,
    MemoryConsumedNonces,
    MemoryDatabase,
    MemoryDecisions,
    MemoryKeys,
    MemoryPolicies,
    MemoryReferenceValues,
    MemoryRevisions,
)
from policy_keeping import keeping

from app.attestation.challenges import Challenges
from app.attestation.collateral.ports import Collateral, CollateralSource
from app.attestation.collateral.states import CollateralRules
from app.attestation.ear import Issuer
from app.attestation.evidence import Verifier
from app.attestation.extractors.sample import EXTRACTOR
from app.attestation.policies import AttestationPolicies
from app.attestation.reference_value_messages import MessageReader
from app.attestation.reference_values import ReferenceValues
from app.attestation.service import AppraisalRules, AttestationService
from app.attestation.verifiers.sample import VERIFIER
from app.trust.approvals import ChangeRule
from app.trust.audit import Actor
from app.trust.errors import CollateralUnavailableError
from app.trust.regorus_engine import RegorusEngine
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import TicketKeySource, new_ticket_key
from app.trust.token_keys import TokenKeys
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.encoding import b64_encode, b64url_decode
from guest.wire.runtime_data import runtime_data, runtime_data_digest

OWNER = Actor("alice", "owner")
TEE_KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "eA", "y": "eQ"}
AFFIRMING_VALUES = {
    "launch_digest": ["abcde"],
    "svn": ["1"],
    "major_version": 1,
    "minimum_minor_version": 4,
}


class NoCollateral:
    """The port ``CollateralSource`` with nothing in it."""

    def get(self, name: str) -> Collateral:
        """See the port."""
        raise CollateralUnavailableError(f"no source has {name}")


class ASBench:
    """An Attestation Service whose parts can be reached."""

    def __init__(
        self,
        verifiers: Mapping[str, Verifier] | None = None,
        *,
        require_nonce: bool = True,
        collateral: CollateralSource | None = None,
        collateral_rules: CollateralRules | None = None,
    ) -> None:
        self.db, self.clock = MemoryDatabase(), FakeClock()
        self.engine, self.revisions = RegorusEngine(), MemoryRevisions(self.db)
        self.keys, self.policies = MemoryKeys(self.db), MemoryPolicies(self.db)
        sealer, audit = Sealer([KeyEncryptionKey(b"k" * 32)]), MemoryAuditLog(self.db)
        with self.db.transactions():
            self.keys.add(new_ticket_key(sealer, KeyPurpose.CHALLENGE, self.clock.now()))
        common: Any = {
            "revisions": self.revisions,
            "transactions": self.db.transactions,
            "audit": audit,
            "clock": self.clock,
        }
        self.service = AttestationService(
            verifiers={"sample": VERIFIER} if verifiers is None else verifiers,
            collateral=collateral or NoCollateral(),
            policies=AttestationPolicies(
                keeping(self.db, self.policies, self.engine, self.clock), self.revisions
            ),
            reference_values=ReferenceValues(
                store=MemoryReferenceValues(self.db),
                messages=MessageReader({"sample": EXTRACTOR}, (), self.clock),
                rule=ChangeRule(),
                **common,
            ),
            token_keys=TokenKeys(store=self.keys, sealer=sealer, **common),
            challenges=Challenges(
                TicketKeySource(self.keys, sealer, KeyPurpose.CHALLENGE), timedelta(minutes=5)
            ),
            engine=self.engine,
            decisions=MemoryDecisions(self.db),
            consumed_nonces=MemoryConsumedNonces(self.db),
            revisions=self.revisions,
            transactions=self.db.transactions,
            clock=self.clock,
            rules=AppraisalRules(
                issuer=Issuer("https://as.example", None, 300, "https://dev.example", "test 1"),
                verbose_token=True,
                require_nonce=require_nonce,
                verifier_options={},
                collateral=collateral_rules or CollateralRules(),
            ),
        )
        self.service.token_keys.prepare()
        self.service.policies.prepare()

    def affirm(self) -> None:
        """Register what makes the sample TEE affirming."""
        payload = b64_encode(json.dumps(AFFIRMING_VALUES).encode())
        self.service.reference_values.register({"type": "sample", "payload": payload}, OWNER)

    def nonce(self) -> str:
        """A nonce of the service."""
        return self.service.issue_challenge("sample", "").nonce


def sample_request(nonce: str | None, **changes: Any) -> VerificationRequest:
    """Evidence of the sample TEE bound to a nonce and the key, with some members changed."""
    bound = None if nonce is None else runtime_data(nonce, TEE_KEY, "")
    digest = b"" if bound is None else runtime_data_digest(bound)
    evidence = {"svn": "1", "report_data": b64_encode(digest)}
    return replace(VerificationRequest("sample", evidence, bound), **changes)


def evaluation(*requests: VerificationRequest, policy_id: str = "default") -> AttestationEvaluation:
    """The body of ``POST /attestation``."""
    return AttestationEvaluation(requests, (policy_id,))


def token_claims(token: str) -> dict[str, Any]:
    """The payload of a token, unverified."""
    claims: dict[str, Any] = json.loads(b64url_decode(token.split(".")[1]))
    return claims
