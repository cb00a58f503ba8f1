"""What views may ask for: the use cases, and what the console tells about the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.attestation.collateral.library import CollateralLibrary
from app.attestation.policies import AttestationPolicies
from app.attestation.reference_values import ReferenceValues
from app.attestation.service import AttestationService
from app.broker.custody import Custody
from app.broker.policies import ResourcePolicies
from app.broker.service import BrokerService
from app.console.admin_tokens import AdminTokens
from app.console.api_tokens import APITokens
from app.console.attested_values import AttestedValues
from app.console.audit_keeping import AuditKeeping
from app.console.certificates import CertificateLine
from app.console.decision_hours import DecisionHours
from app.console.dry_runs import DryRuns
from app.console.effective_settings import EffectiveSettings
from app.console.expiries import Expiry
from app.console.explanations import Explanation
from app.console.first_run import FirstRun
from app.console.guest_snippets import GuestSnippets
from app.console.health import Health
from app.console.inspection.inspectors import Inspectors
from app.console.issuer_requests import IssuerDesk
from app.console.operators import OperatorService
from app.console.policy_examples import PolicyExamples
from app.console.policy_shelf import PolicyShelf
from app.console.proposals import Proposals
from app.console.reference_value_imports import Imports
from app.console.reference_value_use import ReferenceValueUse
from app.console.secret_reach import SecretReach
from app.console.sessions import ConsoleSessions
from app.console.sign_ins import SignIns
from app.console.single_sign_on import SingleSignOn
from app.trust.audit import Actor, AuditLog
from app.trust.clock import Clock
from app.trust.decisions import DecisionRecord, DecisionStore
from app.trust.policies import PolicyStore
from app.trust.replays import Replayed
from app.trust.token_keys import TokenKeys


@dataclass(frozen=True, slots=True)
class Posture:
    """How this server stands, for the console's header and overview.

    Attributes:
        database: engine and place, without credentials.
        insecure_settings: names of the weakening settings that are on.
    """

    roles: tuple[str, ...]
    tees: tuple[str, ...]
    public_url: str
    database: str
    token_issuer: str
    insecure_settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one application.

    Use cases of a role that this process does not have are built all the same: what is not routed
    cannot be called, and one shape is simpler than eight.
    """

    attestation: AttestationService
    attestation_policies: AttestationPolicies
    reference_values: ReferenceValues
    token_keys: TokenKeys
    kbs: BrokerService
    custody: Custody
    resource_policies: ResourcePolicies
    decisions: DecisionStore
    decision_hours: DecisionHours
    replay: Callable[[DecisionRecord], Replayed]
    audit: AuditLog
    audit_keeping: AuditKeeping
    admins: AdminTokens
    operators: OperatorService
    sign_ins: SignIns
    first_run: FirstRun
    guest_files: GuestSnippets
    single_sign_on: SingleSignOn | None
    api_tokens: APITokens
    console_sessions: ConsoleSessions
    proposals: Proposals
    dry_runs: DryRuns
    policy_shelf: PolicyShelf
    policy_examples: PolicyExamples
    secret_reach: SecretReach
    collateral: CollateralLibrary
    imports: Imports
    reference_value_use: ReferenceValueUse
    attested_values: AttestedValues
    housekeeping: Callable[[], None]
    refresh_collateral: Callable[[], int]
    rotate_tickets: Callable[[Actor], None]
    rewrap: Callable[[Actor], int]
    check_health: Callable[[], None]
    health: Callable[[], Health]
    expiries: Callable[[int], list[Expiry]]
    close: Callable[[], None]
    posture: Posture
    clock: Clock
    explain: Callable[[DecisionRecord], Explanation]
    appraisal_behind: Callable[[DecisionRecord], DecisionRecord | None]
    policies: PolicyStore
    effective_settings: Callable[[], EffectiveSettings]
    issuer_desk: IssuerDesk
    certificates: Callable[[], list[CertificateLine]]
    inspectors: Inspectors
