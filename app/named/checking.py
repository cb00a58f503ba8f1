"""Everything that the settings name, opened before anything is served or written."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

from app.attestation.extractors import load_extractors
from app.blueprints.limits import RateLimit
from app.config import read_key_encryption_keys
from app.named.certificates import check_certificate
from app.named.collateral import bundle_signer, bundle_signers, open_sources
from app.named.database import database_url
from app.named.faults import Faults
from app.named.identities import oidc_client, open_identity_providers
from app.named.issuers import appraiser_client, open_issuers
from app.named.reference_values import open_message_signers
from app.named.verifiers import open_verifiers
from app.settings import (
    BrokerSettings,
    Settings,
)
from app.store.database import Database
from app.trust.clock import SystemClock
from app.trust.errors import ConfigError
from guest.wire.jwe_algorithms import ML_KEM


def check_named(settings: Settings) -> None:
    """Open everything that the settings name, but connect to nothing.

    Raises:
        ConfigError: listing every fault.
    """
    faults = Faults()
    faults.of(partial(read_key_encryption_keys, settings.sealing))
    faults.of(partial(check_certificate, settings.server))
    for name in ("handshake", "sign_in"):
        faults.of(partial(RateLimit, name, getattr(settings.limits, name)))
    faults.of(partial(_check_database, settings))
    faults.of(partial(_check_response_algorithms, settings.broker))
    faults.of(partial(open_verifiers, settings))
    faults.of(partial(load_extractors, settings.rvps.extractors))
    faults.of(partial(open_message_signers, settings.rvps))
    faults.of(partial(open_issuers, settings.broker))
    faults.of(partial(open_identity_providers, settings.admin))
    if settings.console.oidc is not None:
        faults.of(partial(oidc_client, settings.console.oidc, ""))
    if settings.broker.remote_appraiser is not None:
        faults.of(partial(appraiser_client, settings.broker.remote_appraiser))
    faults.raise_any()


def _check_response_algorithms(settings: BrokerSettings) -> None:
    if ML_KEM in settings.response_algorithms and find_spec("Crypto") is None:
        message = f"broker.response_algorithms: {ML_KEM} needs the extra vouchgate-guest[pqc]"
        raise ConfigError([message])


def _check_database(settings: Settings) -> None:
    database = Database.from_url(database_url(settings.database))
    faults = Faults()
    faults.of(partial(open_sources, settings, database, SystemClock()))
    faults.of(partial(bundle_signer, settings.collateral))
    faults.of(partial(bundle_signers, settings.collateral))
    faults.raise_any()
