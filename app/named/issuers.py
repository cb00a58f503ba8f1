"""Issuers of tokens that the KBS trusts, and the Attestation Service elsewhere that it asks."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from app.broker.fetched_keys import FetchedKeys
from app.broker.issuer_keys import FileKeys, KeySource
from app.broker.issuers import Issuer, IssuerKind
from app.broker.key_chains import CertifiedKeys
from app.named.faults import Faults
from app.settings import (
    BrokerSettings,
    IssuerSettings,
    RemoteAppraiserSettings,
)
from app.trust.errors import ConfigError
from app.trust.http_client import PooledHTTPClient

_FETCH_TIMEOUT_SECONDS = 5.0


def open_issuers(settings: BrokerSettings) -> list[Issuer]:
    """The trusted token issuers, each with its keys.

    Raises:
        ConfigError: listing every key that cannot be read.
    """
    faults = Faults()
    opened = [
        faults.of(
            partial(_issuer, each, allows_http=settings.insecure_http_issuers),
            f"broker.issuers.{each.name}",
        )
        for each in settings.issuers
    ]
    faults.raise_any()
    return opened


def _issuer(settings: IssuerSettings, *, allows_http: bool) -> Issuer:
    kind, keys = _issuer_keys(settings, allows_http=allows_http)
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


def _issuer_keys(settings: IssuerSettings, *, allows_http: bool) -> tuple[IssuerKind, KeySource]:
    if settings.jwks_url is not None:
        client = _http_client(_FETCH_TIMEOUT_SECONDS, settings.tls_ca_file)
        keys = FetchedKeys(settings.jwks_url, settings.issuer, client, allows_http=allows_http)
        return IssuerKind.JWKS_URL, keys
    if settings.jwks_file is not None:
        return IssuerKind.JWKS_FILE, FileKeys.load(settings.jwks_file)
    return IssuerKind.CA_CERTIFICATES, CertifiedKeys.load(settings.ca_files)


def appraiser_client(settings: RemoteAppraiserSettings) -> PooledHTTPClient:
    """A client of the Attestation Service elsewhere.

    Raises:
        ConfigError: its authority cannot be read.
    """
    faults = Faults()
    client = faults.of(
        partial(_http_client, settings.timeout_seconds, settings.ca_file),
        "broker.remote_appraiser",
    )
    faults.raise_any()
    return client


def _http_client(timeout_seconds: float, ca_file: Path | None) -> PooledHTTPClient:
    try:
        return PooledHTTPClient(timeout_seconds=timeout_seconds, ca_file=ca_file)
    except OSError as error:
        raise ConfigError([f"{ca_file} holds no certificates"]) from error
