"""The composition root: the one module that knows services, stores and outside clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from app.attestation.challenges import Challenges
from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.hygon import HygonCatalogue
from app.attestation.collateral.intel import IntelCatalogue, UpdateType
from app.attestation.collateral.intel_bundle import IntelBundle
from app.attestation.collateral.sources import CollateralPlan, CollateralSources, open_collateral
from app.attestation.ear import Issuer as TokenIssuer
from app.attestation.evidence import Verifier
from app.attestation.extractors.sample import EXTRACTOR as SAMPLE_EXTRACTOR
from app.attestation.policies import AttestationPolicies
from app.attestation.reference_values import ReferenceValues
from app.attestation.replay import replay as replay_appraisal
from app.attestation.service import AppraisalRules, AttestationService
from app.attestation.verifiers import load_verifiers
from app.blueprints.services import Posture, Services
from app.broker.appraisers.circuit_breaker import CircuitBreaker
from app.broker.appraisers.remote_as import RemoteAppraiser
from app.broker.custody import Custody
from app.broker.fetched_keys import FetchedKeys
from app.broker.handshakes import HandshakeService
from app.broker.issuer_keys import BuiltInKeys, FileKeys, KeySource
from app.broker.issuers import Issuer, IssuerKind, Issuers
from app.broker.key_chains import CertifiedKeys
from app.broker.plugins.enabled import Plugins
from app.broker.plugins.resource import PLUGIN as RESOURCE_PLUGIN
from app.broker.policies import ResourcePolicies
from app.broker.release import ReleaseService
from app.broker.replay import ReleaseReplay
from app.broker.service import BrokerService
from app.broker.tokens import TokenVerifier
from app.config import read_key_encryption_keys
from app.console.access_rules import AccessRule
from app.console.admin_tokens import AdminTokens, IdentityProvider, key_set
from app.console.explanations import Explanations
from app.console.operators import OperatorService
from app.settings import (
    DatabaseSettings,
    IdentityProviderSettings,
    IssuerSettings,
    Settings,
    insecure_settings,
)
from app.store.audit import SQLAuditLog
from app.store.collateral import SQLCollateralStore
from app.store.database import Database, checked_url, init_app
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
from app.trust.http_client import PooledHTTPClient
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
from guest.wire.strict_json import parse_json_object

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

    Safe to repeat, and when several processes do it at once.

    Raises:
        ConfigError: a setting names something that is not there.
        StoreUnavailableError: the database does not answer.
    """
    database = Database.from_url(database_url(settings.database))
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
    database = init_app(app, database_url(settings.database), pool_size=pool_size)
    if not current_is_head(database):
        raise ConfigError(["the database has another schema; `vouchgate serve` brings it to ours"])
    base = _foundations(settings, database)
    faults = _Faults()
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


def database_url(settings: DatabaseSettings) -> str:
    """The address of the database, with the password from its file.

    Raises:
        ConfigError: the address is of no supported engine, or the file cannot be read.
    """
    url = checked_url(settings.url)
    if settings.password_file is not None:
        url = url.set(password=_read(settings.password_file).strip())
    return url.render_as_string(hide_password=False)


class _Faults:
    """Collects the faults of several parts, so that all of them are told at once."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def of(self, build: Callable[[], T]) -> T:
        try:
            return build()
        except ConfigError as error:
            self._faults += error.faults
            # Never used: `raise_any` follows before anyone looks.
            return None  # type: ignore[return-value]

    def raise_any(self) -> None:
        if self._faults:
            raise ConfigError(self._faults)


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
        verifiers=_verifiers(base),
        collateral=_collateral(base),
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


def _verifiers(base: Foundations) -> dict[str, Verifier]:
    settings = base.settings.attestation
    if "as" not in base.settings.roles:
        return {}
    verifiers = load_verifiers(settings.verifiers, allow_insecure=settings.insecure_allow_sample)
    faults = _Faults()
    for tee, path in settings.insecure_extra_roots.items():
        verifiers[tee] = faults.of(partial(_with_roots, verifiers, tee, path))
    for tee in settings.verifier_options:
        faults.of(partial(_check_options, base, verifiers, tee))
    faults.raise_any()
    return verifiers


def _with_roots(verifiers: dict[str, Verifier], tee: str, path: Path) -> Verifier:
    extend = getattr(verifiers.get(tee), "with_extra_roots", None)
    if extend is None:
        raise ConfigError(
            [f"attestation.insecure_extra_roots.{tee}: no enabled verifier of this name has roots"]
        )
    extended: Verifier = extend(_read(path).encode())
    return extended


def _check_options(base: Foundations, verifiers: dict[str, Verifier], tee: str) -> None:
    check = getattr(verifiers.get(tee), "check_options", None)
    if check is None:
        raise ConfigError(
            [f"attestation.verifier_options.{tee}: no enabled verifier of this name has options"]
        )
    check(base.settings.attestation.verifier_options[tee])


def _collateral(base: Foundations) -> CollateralSources:
    settings = base.settings.collateral
    update = UpdateType(settings.intel_update)
    bundles = (IntelBundle(settings.intel_bundle, update),) if settings.intel_bundle else ()
    intel = IntelCatalogue(settings.intel_url, update)
    plan = CollateralPlan(
        sources=settings.sources,
        catalogues=(AMDCatalogue(settings.amd_url), intel, HygonCatalogue()),
        bundles=bundles,
    )
    client = PooledHTTPClient(timeout_seconds=settings.timeout_seconds)
    return open_collateral(plan, SQLCollateralStore(base.database), client, base.clock)


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
    algorithms = frozenset(settings.response_algorithms)
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
        client=_http_client(remote.timeout_seconds, remote.ca_file, "broker.remote_appraiser"),
        breaker=CircuitBreaker(),
        verifier=verifier,
        decisions=base.decisions,
        transactions=base.database.transaction,
        revisions=base.revisions,
        clock=base.clock,
    )


def _issuers(base: Foundations) -> list[Issuer]:
    faults = _Faults()
    issuers = [faults.of(partial(_issuer, each)) for each in base.settings.broker.issuers]
    faults.raise_any()
    if "as" in base.settings.roles:
        keys = BuiltInKeys(base.token_keys)
        issuer = base.settings.token_issuer
        issuers.append(Issuer(name="builtin", iss=issuer, kind=IssuerKind.BUILTIN, keys=keys))
    return issuers


def _issuer(settings: IssuerSettings) -> Issuer:
    kind, keys = _issuer_keys(settings)
    return Issuer(
        name=settings.name,
        iss=settings.issuer,
        kind=kind,
        keys=keys,
        algorithms=frozenset(settings.algorithms),
        audience=settings.audience,
        leeway=timedelta(seconds=settings.leeway_seconds),
        tee_key_paths=settings.tee_key_paths,
    )


def _issuer_keys(settings: IssuerSettings) -> tuple[IssuerKind, KeySource]:
    if settings.jwks_url is not None:
        where = f"broker.issuers.{settings.name}"
        client = _http_client(_FETCH_TIMEOUT_SECONDS, settings.tls_ca_file, where)
        return IssuerKind.JWKS_URL, FetchedKeys(settings.jwks_url, settings.issuer, client)
    if settings.jwks_file is not None:
        return IssuerKind.JWKS_FILE, FileKeys.load(settings.jwks_file)
    return IssuerKind.CA_CERTIFICATES, CertifiedKeys.load(settings.ca_files)


def _http_client(timeout_seconds: float, ca_file: Path | None, where: str) -> PooledHTTPClient:
    try:
        return PooledHTTPClient(timeout_seconds=timeout_seconds, ca_file=ca_file)
    except OSError as error:
        raise ConfigError([f"{where}: {ca_file} holds no certificates"]) from error


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
    faults = _Faults()
    providers = [
        faults.of(partial(_identity_provider, each)) for each in settings.identity_providers
    ]
    faults.raise_any()
    rules = [AccessRule(rule.role, frozenset(rule.methods), rule.paths) for rule in settings.access]
    return AdminTokens(providers, rules, base.clock)


def _identity_provider(settings: IdentityProviderSettings) -> IdentityProvider:
    path = settings.public_key_file or settings.jwks_file
    assert path is not None, "settings name one of them"
    text = _read(path)
    try:
        if settings.jwks_file is not None:
            keys = key_set(parse_json_object(text))
        else:
            keys = KeySet([_public_key(text)])
    except (ValueError, JoseError, UnsupportedAlgorithm) as error:
        where = f"admin.identity_providers.{settings.name}"
        raise ConfigError([f"{where}: {path} holds no public key"]) from error
    return IdentityProvider(
        name=settings.name,
        keys=keys,
        by_key_id=settings.jwks_file is not None,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=settings.algorithms,
    )


def _public_key(pem: str) -> Key:
    key = load_pem_public_key(pem.encode())
    if isinstance(key, ed25519.Ed25519PublicKey):
        return OKPKey.import_key(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return ECKey.import_key(key)
    if isinstance(key, rsa.RSAPublicKey):
        return RSAKey.import_key(key)
    raise ValueError("a key of another kind")


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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not text"]) from error
