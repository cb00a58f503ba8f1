"""The composition root: the one package that knows services, stores and outside clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from flask import Flask

from app.blueprints.services import Services
from app.console.reference_value_imports import Imports
from app.console.secret_reach import SecretReach
from app.named.checking import check_named
from app.named.database import database_url
from app.named.faults import Faults
from app.settings import Settings
from app.store.database import Database, init_app
from app.store.decision_hours import SQLDecisionHours
from app.store.migrate import current_is_head, upgrade
from app.trust.audit import LocalActor
from app.trust.errors import ConfigError, ConflictError
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import TicketKeySource, new_ticket_key
from app.wiring import changes
from app.wiring.accounts import api_tokens, first_run, guest_files, single_sign_on
from app.wiring.attestation import attestation_policies, attestation_service
from app.wiring.broker import (
    broker_service,
    custody,
    default_resource_policy,
    resource_policies,
)
from app.wiring.collateral import collateral_library, collateral_sources, refresher
from app.wiring.console import (
    admin_tokens,
    attested_values,
    audit_keeping,
    check_health,
    close,
    console_sessions,
    effective_settings,
    housekeeping,
    inspectors,
    posture,
    reference_value_use,
    replay,
    rewrap,
    rotate_tickets,
    sign_ins,
)
from app.wiring.explaining import explanations
from app.wiring.foundations import Foundations, foundations
from app.wiring.issuers import certificates, issuer_desk, trusted_issuers
from app.wiring.overview import expiries, health

_SETUP = LocalActor("setup", "owner")
_TICKET_PURPOSES = (KeyPurpose.CHALLENGE, KeyPurpose.SESSION, KeyPurpose.CONSOLE)


@dataclass(frozen=True, slots=True)
class Wired:
    """An application's services, and the key of its browser sessions."""

    services: Services
    console_key: bytes = field(repr=False)


def prepare(settings: Settings) -> None:
    """Bring the database to this program's schema and make what is missing: keys, policies.

    Safe to repeat, and when several processes do it at once. Nothing is touched before everything
    that the settings name was found.

    Raises:
        ConfigError: the settings name things that are not there; it lists every fault.
        StoreUnavailableError: the database does not answer.
    """
    check_named(settings)
    database = Database.from_url(database_url(settings.database))
    try:
        upgrade(database)
        base = foundations(settings, database)
        _make_ticket_keys(base)
        if "as" in settings.roles:
            base.token_keys.prepare()
            attestation_policies(base).prepare()
        if "kbs" in settings.roles:
            resource_policies(base).install_default(default_resource_policy(), _SETUP)
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
    base = foundations(settings, database)
    faults = Faults()
    collateral = collateral_sources(base)
    attestation = faults.of(lambda: attestation_service(base, collateral))
    issuers = faults.of(lambda: trusted_issuers(base))
    admins = faults.of(lambda: admin_tokens(base))
    faults.raise_any()
    kbs = broker_service(base, issuers, attestation)
    tickets = TicketKeySource(base.keys, base.sealer, KeyPurpose.CONSOLE)
    signing_in = sign_ins(base)
    explaining = explanations(base)
    services = Services(
        attestation=attestation,
        attestation_policies=attestation.policies,
        reference_values=attestation.reference_values,
        token_keys=base.token_keys,
        kbs=kbs,
        custody=custody(base),
        resource_policies=kbs.policies,
        decisions=base.decisions,
        decision_hours=SQLDecisionHours(base.database),
        replay=replay(base),
        audit=base.audit,
        audit_keeping=audit_keeping(base),
        admins=admins,
        operators=signing_in.operators,
        sign_ins=signing_in,
        api_tokens=api_tokens(base),
        first_run=first_run(base, signing_in.operators),
        guest_files=guest_files(settings),
        single_sign_on=single_sign_on(base),
        console_sessions=console_sessions(base),
        proposals=changes.proposals(base, attestation, kbs.policies),
        dry_runs=changes.dry_runs(base, attestation, kbs.policies),
        policy_shelf=changes.policy_shelf(base, attestation, kbs.policies),
        policy_examples=changes.policy_examples(base),
        secret_reach=SecretReach(base.decisions, kbs.policies, base.engine, base.revisions),
        collateral=collateral_library(base, collateral),
        housekeeping=housekeeping(base),
        refresh_collateral=refresher(base, collateral).run,
        imports=Imports(attestation.reference_values, base.clock),
        reference_value_use=reference_value_use(base, attestation),
        attested_values=attested_values(base, attestation),
        rotate_tickets=lambda actor: rotate_tickets(base, actor),
        rewrap=lambda actor: rewrap(base, actor),
        check_health=lambda: check_health(base),
        health=health(base, kbs.policies, issuers),
        expiries=expiries(base, attestation.reference_values),
        close=partial(close, base),
        posture=posture(settings),
        clock=base.clock,
        explain=explaining.explain,
        appraisal_behind=explaining.appraisal_behind,
        policies=base.policies,
        effective_settings=lambda: effective_settings(settings),
        issuer_desk=issuer_desk(base, issuers),
        certificates=lambda: certificates(base, issuers),
        inspectors=inspectors(base, attestation, kbs, collateral),
    )
    return Wired(services, tickets.at(base.revisions.current()).current.key)


def _make_ticket_keys(base: Foundations) -> None:
    for purpose in _TICKET_PURPOSES:
        try:
            with base.database.transaction():
                if not base.keys.all(purpose):
                    base.keys.add(new_ticket_key(base.sealer, purpose, base.clock.now()))
        except ConflictError:
            # Another process that starts now made it a moment ago.
            continue
