"""Operators, and what they ask of the whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from sqlalchemy import make_url

from app.attestation.collateral.sources import CollateralSources
from app.attestation.replay import replay as replay_appraisal
from app.attestation.service import AttestationService
from app.blueprints.services import Posture
from app.broker.replay import ReleaseReplay
from app.broker.service import BrokerService
from app.config import ReadSettings
from app.console.access_rules import AccessRule
from app.console.admin_tokens import AdminTokens
from app.console.attempts import Attempts
from app.console.attested_values import AttestedValues
from app.console.audit_keeping import AuditKeeping
from app.console.certificates import server_root
from app.console.decision_hours import GRACE
from app.console.devices import Devices
from app.console.effective_settings import EffectiveSettings, setting_lines
from app.console.inspection.inspectors import Inspectors
from app.console.inspection.resource_uris import URIInspector
from app.console.inspection.tokens import TokenInspector
from app.console.operators import OperatorService
from app.console.reference_value_use import ReferenceValueUse
from app.console.second_factors import SecondFactors
from app.console.sessions import ConsoleSessions, SessionTimes
from app.console.sign_ins import KINDS, SignIns
from app.named.checking import check_named
from app.named.identities import open_identity_providers
from app.settings import (
    Settings,
    insecure_settings,
)
from app.store.attempts import SQLAttemptStore
from app.store.collateral import SQLFetchLeases
from app.store.console_sessions import SQLConsoleSessionStore
from app.store.decision_hours import SQLDecisionHours
from app.store.nonces import SQLConsumedNonceStore
from app.store.operators import SQLOperatorStore
from app.store.second_factors import SQLSecondFactorStore
from app.store.secrets import SQLSecretStore
from app.store.sessions import SQLSessionStore
from app.trust.audit import Actor, AuditEntry
from app.trust.decisions import DecisionKind, DecisionRecord
from app.trust.errors import ConfigError
from app.trust.replays import Replayed
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import (
    ISSUING_KEYS_MAX_AGE,
    TicketKeys,
    TicketKeySource,
    rotate_ticket_key,
)
from app.wiring.attestation import evidence_inspector
from app.wiring.broker import custody
from app.wiring.foundations import Foundations


def operator_service(base: Foundations, attempts: Attempts) -> OperatorService:
    """Accounts of operators."""
    hasher = PasswordHasher()
    return OperatorService(
        operators=SQLOperatorStore(base.database),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        hasher=hasher,
        decoy_hash=cache(lambda: hasher.hash(secrets.token_urlsafe())),
        end_sessions=SQLConsoleSessionStore(base.database).remove_all,
        forgive=lambda name: attempts.forgive(name, *KINDS),
    )


def sign_ins(base: Foundations) -> SignIns:
    """Passwords, codes, and how often they may be tried."""
    keys = console_keys(base)
    attempts = Attempts(
        store=SQLAttemptStore(base.database),
        transactions=base.database.transaction,
        clock=base.clock,
        key=lambda: keys().current.key,
    )
    return SignIns(
        operators=operator_service(base, attempts),
        second_factors=second_factors(base),
        attempts=attempts,
        devices=Devices(keys, base.clock),
        second_factor_roles=frozenset(base.settings.console.second_factor_roles),
    )


def second_factors(base: Foundations) -> SecondFactors:
    """Codes by time."""
    return SecondFactors(
        store=SQLSecondFactorStore(base.database),
        sealer=base.sealer,
        keys=console_keys(base),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def console_keys(base: Foundations) -> Callable[[], TicketKeys]:
    """The keys of what browsers hold for the console."""
    source = TicketKeySource(base.keys, base.sealer, KeyPurpose.CONSOLE)
    return lambda: source.for_issuing(base.clock.now())


def console_sessions(base: Foundations) -> ConsoleSessions:
    """Signed-in browsers."""
    settings = base.settings.console
    return ConsoleSessions(
        store=SQLConsoleSessionStore(base.database),
        operators=SQLOperatorStore(base.database),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        times=SessionTimes(
            idle=timedelta(seconds=settings.session_idle_seconds),
            lifetime=timedelta(seconds=settings.session_lifetime_seconds),
            proof=timedelta(seconds=settings.proof_lifetime_seconds),
        ),
    )


def admin_tokens(base: Foundations) -> AdminTokens:
    """Bearer tokens of whoever calls the admin REST API."""
    settings = base.settings.admin
    rules = [AccessRule(rule.role, frozenset(rule.methods), rule.paths) for rule in settings.access]
    return AdminTokens(open_identity_providers(settings), rules, base.clock)


def replay(base: Foundations) -> Callable[[DecisionRecord], Replayed]:
    """Decides again from a record."""
    releases = ReleaseReplay(base.policies, base.engine)

    def replay(record: DecisionRecord) -> Replayed:
        if record.kind is DecisionKind.RELEASE:
            return releases.replay(record)
        return replay_appraisal(record, base.policies.by_digest, base.engine)

    return replay


def audit_keeping(base: Foundations) -> AuditKeeping:
    """The audit log verified, and pruned as settings say."""
    days = base.settings.audit.retention_days
    retention = None if days is None else timedelta(days=days)
    return AuditKeeping(base.audit, base.database.transaction, base.clock, retention)


def reference_value_use(base: Foundations, attestation: AttestationService) -> ReferenceValueUse:
    """Who reads which reference value."""
    return ReferenceValueUse(
        policies=attestation.policies,
        values=attestation.reference_values,
        engine=base.engine,
        decisions=base.decisions,
        clock=base.clock,
    )


def attested_values(base: Foundations, attestation: AttestationService) -> AttestedValues:
    """Reference values that recorded attestations offer."""
    return AttestedValues(
        decisions=base.decisions,
        policies=base.policies,
        engine=base.engine,
        values=attestation.reference_values,
        clock=base.clock,
    )


def housekeeping(base: Foundations) -> Callable[[], None]:
    """Whatever time does: forgets, erases, counts, and keeps the audit log."""
    keeping = audit_keeping(base)
    nonces, sessions = SQLConsumedNonceStore(base.database), SQLSessionStore(base.database)
    signed_in, attempts = console_sessions(base), SQLAttemptStore(base.database)
    keeper, hours = custody(base), SQLDecisionHours(base.database)
    leases = SQLFetchLeases(base.database)

    def keep_house() -> None:
        now = base.clock.now()
        with base.database.transaction():
            nonces.forget_expired(now)
            sessions.forget_expired(now)
            signed_in.forget_expired(now)
            attempts.forget_expired(now)
            leases.forget_expired(now)
        keeper.destroy_due()
        while hours.close(now - GRACE):
            pass
        keeping.keep()

    return keep_house


def rotate_tickets(base: Foundations, actor: Actor) -> None:
    """Give nonces and cookies new keys; what the old ones issued is good until it expires."""
    longest = max(
        base.settings.attestation.challenge_lifetime_seconds,
        base.settings.broker.session_lifetime_seconds,
    )
    overlap = timedelta(seconds=longest) + 2 * ISSUING_KEYS_MAX_AGE
    now = base.clock.now()
    with base.database.transaction():
        for purpose in (KeyPurpose.CHALLENGE, KeyPurpose.SESSION):
            key = rotate_ticket_key(base.keys, base.sealer, purpose, now, overlap)
            base.audit.append(AuditEntry(now, actor, f"key:{purpose}:rotate", key.key_id))


def rewrap(base: Foundations, actor: Actor) -> int:
    """Wrap every data key under the first key-encryption key; how many there were."""
    count = custody(base).rewrap(actor)
    for purpose in KeyPurpose:
        for key in base.keys.all(purpose):
            with base.database.transaction():
                base.keys.replace_sealed(key.key_id, base.sealer.rewrap(key.sealed_private))
            count += 1
    return count + second_factors(base).rewrap()


def check_health(base: Foundations) -> None:
    """Ask what every request needs.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    base.revisions.current()


def close(base: Foundations) -> None:
    """Let go of the engine and the database."""
    base.engine.close()
    base.database.close()


def posture(settings: Settings) -> Posture:
    """How the server stands."""
    return Posture(
        roles=settings.roles,
        tees=settings.attestation.verifiers if "as" in settings.roles else (),
        public_url=settings.public_url,
        database=_place(settings),
        token_issuer=settings.token_issuer,
        insecure_settings=tuple(insecure_settings(settings)),
    )


def effective_settings(settings: Settings) -> EffectiveSettings:
    """The settings as they count; what they name is looked at again, as at a start."""
    origins = settings.origins if isinstance(settings, ReadSettings) else {}
    try:
        check_named(settings)
        faults: tuple[str, ...] = ()
    except ConfigError as error:
        faults = error.faults
    return EffectiveSettings(setting_lines(settings, origins), faults)


def inspectors(
    base: Foundations,
    attestation: AttestationService,
    kbs: BrokerService,
    collateral: CollateralSources,
) -> Inspectors:
    """Everything that takes something apart."""
    secret_store = SQLSecretStore(base.database)
    return Inspectors(
        tokens=TokenInspector(kbs.verifier, base.revisions, base.clock),
        evidence=evidence_inspector(attestation, collateral),
        uris=URIInspector(
            plugins=kbs.plugins,
            is_there=lambda found: secret_store.find(found) is not None,
            applicable=lambda path: kbs.policies.applicable(base.revisions.current(), path),
        ),
        server_certificate=lambda: server_root(base.settings.server.tls_certificate),
    )


def _place(settings: Settings) -> str:
    url = make_url(settings.database.url)
    where = url.database if url.get_backend_name() == "sqlite" else f"{url.host}/{url.database}"
    return f"{url.get_backend_name()}: {where}"
