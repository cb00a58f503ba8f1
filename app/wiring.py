"""The composition root: the one module that knows services, stores and outside clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from importlib import resources
from importlib.metadata import version
from typing import TypeVar

from argon2 import PasswordHasher
from flask import Flask

from app import named
from app.attestation.challenges import Challenges
from app.attestation.ear import Issuer as TokenIssuer
from app.attestation.extractors.sample import EXTRACTOR as SAMPLE_EXTRACTOR
from app.attestation.policies import AttestationPolicies
from app.attestation.reference_values import ReferenceValues
from app.attestation.replay import replay as replay_appraisal
from app.attestation.service import AppraisalRules, AttestationService
from app.blueprints.services import Posture, Services
from app.broker.appraisers.circuit_breaker import CircuitBreaker
from app.broker.appraisers.remote_as import RemoteAppraiser
from app.broker.custody import Custody
from app.broker.handshakes import HandshakeService
from app.broker.issuer_keys import BuiltInKeys
from app.broker.issuers import Issuer, IssuerKind, Issuers
from app.broker.plugins.enabled import Plugins
from app.broker.plugins.resource import PLUGIN as RESOURCE_PLUGIN
from app.broker.policies import ResourcePolicies
from app.broker.release import ReleaseService
from app.broker.replay import ReleaseReplay
from app.broker.service import BrokerService
from app.broker.tokens import TokenVerifier
from app.config import read_key_encryption_keys
from app.console.access_rules import AccessRule
from app.console.admin_tokens import AdminTokens
from app.console.explanations import Explanations
from app.console.operators import OperatorService
from app.named import Faults
from app.settings import (
    Settings,
    insecure_settings,
)
from app.store.audit import SQLAuditLog
from app.store.database import Database, init_app
from app.store.decisions import SQLDecisionStore
from app.store.keys import SQLKeyStore
from app.store.migrate import current_is_head, upgrade
from app.store.nonces import SQLConsumedNonceStore
from app.store.operators import SQLOperatorStore
from app.store.policies import SQLPolicyStore
from app.store.reference_values import SQLReferenceValueStore
from app.store.revisions import SQLRevisionStore
from app.store.secrets import SQLSecretStore
from app.store.sessions import SQLSessionStore
from app.trust.appraiser import Appraiser
from app.trust.audit import Actor, AuditEntry
from app.trust.clock import Clock, SystemClock
from app.trust.decisions import DecisionKind, DecisionRecord
from app.trust.errors import ConfigError, ConflictError
from app.trust.regorus_engine import RegorusEngine
from app.trust.replays import Replayed
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import (
    ISSUING_KEYS_MAX_AGE,
    TicketKeySource,
    new_ticket_key,
    rotate_ticket_key,
)
from app.trust.token_keys import DEFAULT_OVERLAP, TokenKeys

T = TypeVar("T")

_SETUP = Actor("setup", "owner")
_TICKET_PURPOSES = (KeyPurpose.CHALLENGE, KeyPurpose.SESSION, KeyPurpose.CONSOLE)
_FETCH_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wired:
    """An application's services, and the key of its browser sessions."""

    services: Services
    console_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every service stands on."""

    settings: Settings
    database: Database
    sealer: Sealer
    clock: Clock
    engine: RegorusEngine
    audit: SQLAuditLog
    keys: SQLKeyStore
    policies: SQLPolicyStore
    decisions: SQLDecisionStore
    revisions: SQLRevisionStore
    token_keys: TokenKeys


def prepare(settings: Settings) -> None:
    """Bring the database to this program's schema and make what is missing: keys, policies.

    Safe to repeat, and when several processes do it at once. Nothing is touched before everything
    that the settings name was found.

    Raises:
        ConfigError: the settings name things that are not there; it lists every fault.
        StoreUnavailableError: the database does not answer.
    """
    named.check(settings)
    database = Database.from_url(named.database_url(settings.database))
    try:
        upgrade(database)
        base = _foundations(settings, database)
        _make_ticket_keys(base)
        if "as" in settings.roles:
            base.token_keys.prepare()
            _attestation_policies(base).prepare()
        if "kbs" in settings.roles:
            _resource_policies(base).install_default(_default_resource_policy(), _SETUP)
    finally:
        database.close()


def wire(app: Flask, settings: Settings) -> Wired:
    """The services of an application, on a database that ``prepare`` has seen.

    Raises:
        ConfigError: listing every fault of the settings that only shows here.
        StoreUnavailableError: the database does not answer.
    """
    pool_size = settings.database.pool_size
    database = init_app(app, named.database_url(settings.database), pool_size=pool_size)
    if not current_is_head(database):
        raise ConfigError(["the database has another schema; `vouchgate serve` brings it to ours"])
    base = _foundations(settings, database)
    faults = Faults()
    attestation = faults.of(lambda: _attestation(base))
    issuers = faults.of(lambda: Issuers(_issuers(base)))
    admins = faults.of(lambda: _admins(base))
    faults.raise_any()
    kbs = _broker(base, issuers, attestation)
    tickets = TicketKeySource(base.keys, base.sealer, KeyPurpose.CONSOLE)
    services = Services(
        attestation=attestation,
        attestation_policies=attestation.policies,
        reference_values=attestation.reference_values,
        token_keys=base.token_keys,
        kbs=kbs,
        custody=_custody(base),
        resource_policies=kbs.policies,
        decisions=base.decisions,
        replay=_replay(base),
        audit=base.audit,
        admins=admins,
        operators=_operators(base),
        housekeeping=_housekeeping(base),
        rotate_tickets=lambda actor: _rotate_tickets(base, actor),
        rewrap=lambda actor: _rewrap(base, actor),
        check_health=lambda: _check_health(base),
        close=partial(_close, base),
        posture=_posture(settings),
        clock=base.clock,
        explain=Explanations(base.decisions, base.policies, base.engine).explain,
    )
    return Wired(services, tickets.at(base.revisions.current()).current.key)


def _foundations(settings: Settings, database: Database) -> Foundations:
    sealer = Sealer([KeyEncryptionKey(key) for key in read_key_encryption_keys(settings.sealing)])
    clock = SystemClock()
    audit = SQLAuditLog(database)
    keys = SQLKeyStore(database)
    revisions = SQLRevisionStore(database)
    token_lifetime = settings.attestation.token_lifetime_seconds
    token_keys = TokenKeys(
        store=keys,
        sealer=sealer,
        revisions=revisions,
        transactions=database.transaction,
        audit=audit,
        clock=clock,
        embed_certificate_chain=settings.attestation.embed_certificate_chain,
        overlap=max(DEFAULT_OVERLAP, 2 * timedelta(seconds=token_lifetime)),
    )
    return Foundations(
        settings=settings,
        database=database,
        sealer=sealer,
        clock=clock,
        engine=RegorusEngine(),
        audit=audit,
        keys=keys,
        policies=SQLPolicyStore(database),
        decisions=SQLDecisionStore(database),
        revisions=revisions,
        token_keys=token_keys,
    )


def _make_ticket_keys(base: Foundations) -> None:
    for purpose in _TICKET_PURPOSES:
        try:
            with base.database.transaction():
                if not base.keys.all(purpose):
                    base.keys.add(new_ticket_key(base.sealer, purpose, base.clock.now()))
        except ConflictError:
            # Another process that starts now made it a moment ago.
            continue


# --- The Attestation Service --------------------------------------------------------------------


def _attestation_policies(base: Foundations) -> AttestationPolicies:
    return AttestationPolicies(
        store=base.policies,
        engine=base.engine,
        revisions=base.revisions,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def _attestation(base: Foundations) -> AttestationService:
    settings = base.settings.attestation
    challenge_keys = TicketKeySource(base.keys, base.sealer, KeyPurpose.CHALLENGE)
    return AttestationService(
        verifiers=named.verifiers(base.settings),
        collateral=named.collateral(base.settings.collateral, base.database, base.clock),
        policies=_attestation_policies(base),
        reference_values=_reference_values(base),
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


def _appraisal_rules(settings: Settings) -> AppraisalRules:
    attestation = settings.attestation
    return AppraisalRules(
        issuer=TokenIssuer(
            name=settings.token_issuer,
            audience=attestation.audience,
            lifetime_seconds=attestation.token_lifetime_seconds,
            developer=attestation.developer,
            build=f"vouchgate {version('vouchgate')}",
        ),
        verbose_token=attestation.verbose_token,
        require_nonce=not attestation.insecure_allow_no_nonce,
        verifier_options=attestation.verifier_options,
    )


def _reference_values(base: Foundations) -> ReferenceValues:
    return ReferenceValues(
        store=SQLReferenceValueStore(base.database),
        extractors={each.type: each for each in (SAMPLE_EXTRACTOR,)},
        revisions=base.revisions,
        transactions=base.database.transaction,
        audit=base.audit,
        clock=base.clock,
    )


# --- The Key Broker Service ---------------------------------------------------------------------


def _resource_policies(base: Foundations) -> ResourcePolicies:
    return ResourcePolicies(
        base.policies, base.engine, base.audit, base.database.transaction, base.clock
    )


def _default_resource_policy() -> str:
    folder = resources.files("app.broker") / "default_policies"
    return (folder / "resource-policy.rego").read_text(encoding="utf-8")


def _custody(base: Foundations) -> Custody:
    return Custody(
        secrets=SQLSecretStore(base.database),
        sealer=base.sealer,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        max_bytes=base.settings.broker.max_secret_bytes,
    )


def _broker(base: Foundations, issuers: Issuers, built_in: AttestationService) -> BrokerService:
    settings = base.settings.broker
    verifier = TokenVerifier(issuers)
    policies = _resource_policies(base)
    remote = settings.remote_appraiser
    algorithms: frozenset[str] = frozenset(settings.response_algorithms)
    if settings.insecure_rsa1_5:
        algorithms |= {"RSA1_5"}
    handshakes = HandshakeService(
        appraiser=built_in if remote is None else _remote_appraiser(base, verifier),
        sessions=SQLSessionStore(base.database),
        decisions=base.decisions,
        tickets=TicketKeySource(base.keys, base.sealer, KeyPurpose.SESSION),
        sealer=base.sealer,
        transactions=base.database.transaction,
        revisions=base.revisions,
        clock=base.clock,
        lifetime=timedelta(seconds=settings.session_lifetime_seconds),
        policy_id=base.settings.attestation.policy_id if remote is None else remote.policy_id,
    )
    releases = ReleaseService(
        secrets=SQLSecretStore(base.database),
        sealer=base.sealer,
        engine=base.engine,
        decisions=base.decisions,
        transactions=base.database.transaction,
        clock=base.clock,
        algorithms=algorithms,
    )
    return BrokerService(
        handshakes=handshakes,
        verifier=verifier,
        releases=releases,
        policies=policies,
        plugins=Plugins([RESOURCE_PLUGIN]),
        revisions=base.revisions,
        clock=base.clock,
    )


def _remote_appraiser(base: Foundations, verifier: TokenVerifier) -> Appraiser:
    remote = base.settings.broker.remote_appraiser
    assert remote is not None, "asked for only when settings name one"
    return RemoteAppraiser(
        url=remote.url.rstrip("/"),
        client=named.appraiser_client(remote),
        breaker=CircuitBreaker(),
        verifier=verifier,
        decisions=base.decisions,
        transactions=base.database.transaction,
        revisions=base.revisions,
        clock=base.clock,
    )


def _issuers(base: Foundations) -> list[Issuer]:
    trusted = named.issuers(base.settings.broker)
    if "as" in base.settings.roles:
        keys = BuiltInKeys(base.token_keys)
        issuer = base.settings.token_issuer
        trusted.append(Issuer(name="builtin", iss=issuer, kind=IssuerKind.BUILTIN, keys=keys))
    return trusted


# --- Operators ----------------------------------------------------------------------------------


def _operators(base: Foundations) -> OperatorService:
    hasher = PasswordHasher()
    return OperatorService(
        operators=SQLOperatorStore(base.database),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        hasher=hasher,
        decoy_hash=cache(lambda: hasher.hash(secrets.token_urlsafe())),
    )


def _admins(base: Foundations) -> AdminTokens:
    settings = base.settings.admin
    rules = [AccessRule(rule.role, frozenset(rule.methods), rule.paths) for rule in settings.access]
    return AdminTokens(named.identity_providers(settings), rules, base.clock)


# --- What the operator asks of the whole --------------------------------------------------------


def _replay(base: Foundations) -> Callable[[DecisionRecord], Replayed]:
    releases = ReleaseReplay(base.policies, base.engine)

    def replay(record: DecisionRecord) -> Replayed:
        if record.kind is DecisionKind.RELEASE:
            return releases.replay(record)
        return replay_appraisal(record, base.policies.by_digest, base.engine)

    return replay


def _housekeeping(base: Foundations) -> Callable[[], None]:
    nonces, sessions = SQLConsumedNonceStore(base.database), SQLSessionStore(base.database)

    def forget_expired() -> None:
        now = base.clock.now()
        with base.database.transaction():
            nonces.forget_expired(now)
            sessions.forget_expired(now)

    return forget_expired


def _rotate_tickets(base: Foundations, actor: Actor) -> None:
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


def _rewrap(base: Foundations, actor: Actor) -> int:
    count = _custody(base).rewrap(actor)
    for purpose in KeyPurpose:
        for key in base.keys.all(purpose):
            with base.database.transaction():
                base.keys.replace_sealed(key.key_id, base.sealer.rewrap(key.sealed_private))
            count += 1
    return count


def _check_health(base: Foundations) -> None:
    """Ask what every request needs.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    base.revisions.current()


def _close(base: Foundations) -> None:
    base.engine.close()
    base.database.close()


def _posture(settings: Settings) -> Posture:
    built_in = ("builtin",) if "as" in settings.roles else ()
    return Posture(
        roles=settings.roles,
        tees=settings.attestation.verifiers if "as" in settings.roles else (),
        issuers=(*built_in, *(issuer.name for issuer in settings.broker.issuers)),
        public_url=settings.public_url,
        token_issuer=settings.token_issuer,
        insecure_settings=tuple(insecure_settings(settings)),
    )
