"""The Key Broker Service, put together."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources

from app.attestation.service import AttestationService
from app.broker.appraisers.circuit_breaker import CircuitBreaker
from app.broker.appraisers.remote_as import RemoteAppraiser
from app.broker.custody import Custody
from app.broker.handshakes import HandshakeService
from app.broker.issuers import IssuerSource
from app.broker.plugins.enabled import Plugins
from app.broker.plugins.resource import PLUGIN as RESOURCE_PLUGIN
from app.broker.policies import ResourcePolicies
from app.broker.release import ReleaseService
from app.broker.service import BrokerService
from app.broker.tokens import TokenVerifier
from app.named.issuers import appraiser_client
from app.store.secrets import SQLSecretStore
from app.store.sessions import SQLSessionStore
from app.trust.appraiser import Appraiser
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import (
    TicketKeySource,
)
from app.wiring.foundations import Foundations

_PLUGINS = (RESOURCE_PLUGIN,)


def resource_policies(base: Foundations) -> ResourcePolicies:
    """The resource policies and their versions."""
    return ResourcePolicies(base.keeping, frozenset(plugin.name for plugin in _PLUGINS))


def default_resource_policy() -> str:
    """The text that decides until an operator sets another."""
    folder = resources.files("app.broker") / "default_policies"
    return (folder / "resource-policy.rego").read_text(encoding="utf-8")


def custody(base: Foundations) -> Custody:
    """Secrets, written and managed."""
    return Custody(
        secrets=SQLSecretStore(base.database),
        sealer=base.sealer,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        max_bytes=base.settings.broker.max_secret_bytes,
        recovery=timedelta(days=base.settings.broker.secret_recovery_days),
        may_reveal=base.settings.broker.secret_reveal,
    )


def broker_service(
    base: Foundations, issuers: IssuerSource, built_in: AttestationService
) -> BrokerService:
    """The KBS: token in, secret out."""
    settings = base.settings.broker
    verifier = TokenVerifier(issuers)
    policies = resource_policies(base)
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
        plugins=Plugins(list(_PLUGINS)),
        revisions=base.revisions,
        clock=base.clock,
    )


def _remote_appraiser(base: Foundations, verifier: TokenVerifier) -> Appraiser:
    remote = base.settings.broker.remote_appraiser
    assert remote is not None, "asked for only when settings name one"
    return RemoteAppraiser(
        url=remote.url.rstrip("/"),
        client=appraiser_client(remote),
        breaker=CircuitBreaker(),
        verifier=verifier,
        decisions=base.decisions,
        transactions=base.database.transaction,
        revisions=base.revisions,
        clock=base.clock,
    )
