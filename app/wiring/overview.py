"""What the overview asks of everything: counts by the hour, what expires, how the parts are."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from cryptography import x509

from app.attestation.reference_values import ReferenceValues
from app.broker.policies import ResourcePolicies
from app.broker.trusted_issuers import TrustedIssuers
from app.console.expiries import Expiring, Expiry, ExpirySource, next_expiries
from app.console.health import Health
from app.store.collateral import SQLCollateralStore
from app.trust.signing_keys import KeyState
from app.wiring.console import posture
from app.wiring.foundations import Foundations


def expiries(base: Foundations, reference_values: ReferenceValues) -> Callable[[int], list[Expiry]]:
    """What expires next, of at most so many things."""
    sources: tuple[ExpirySource, ...] = (
        lambda since, limit: _values(reference_values, since, limit),
        lambda since, _: [each for each in _signing_keys(base) if each.at >= since],
        lambda since, _: [each for each in _server_certificate(base) if each.at >= since],
        lambda since, limit: _collateral(base, since, limit),
    )
    return lambda limit: next_expiries(sources, base.clock.now(), limit)


def health(
    base: Foundations, resource_policies: ResourcePolicies, issuers: TrustedIssuers
) -> Callable[[], Health]:
    """How the parts of this server are."""
    stands = posture(base.settings)
    collateral = SQLCollateralStore(base.database)

    def look() -> Health:
        begun = time.perf_counter()
        revisions = base.revisions.current()
        milliseconds = (time.perf_counter() - begun) * 1000
        keys = base.token_keys.list() if "as" in stands.roles else []
        signing = [key.key_id for key in keys if key.state is KeyState.CURRENT]
        return Health(
            engine="PostgreSQL" if base.database.is_postgresql else "SQLite",
            database_ms=milliseconds,
            serves_attestation="as" in stands.roles,
            serves_broker="kbs" in stands.roles,
            signing_key=next(iter(signing), None),
            tees=stands.tees,
            has_policy=bool(resource_policies.applicable(revisions, ())),
            issuers=tuple(each.issuer.name for each in issuers.all() if each.is_believed),
            collateral_documents=collateral.count(),
            collateral_sources=base.settings.collateral.sources,
        )

    return look


def _values(reference_values: ReferenceValues, since: datetime, limit: int) -> list[Expiry]:
    return [
        Expiry(Expiring.REFERENCE_VALUE, value.name, value.expires_at)
        for value in reference_values.expiring(since, limit)
    ]


def _collateral(base: Foundations, since: datetime, limit: int) -> list[Expiry]:
    """Documents, by the date until which their vendors stand by them."""
    store = SQLCollateralStore(base.database)
    return [
        Expiry(Expiring.COLLATERAL, each.name, each.expires_at)
        for each in store.expiring(since=since, limit=limit)
        if each.expires_at is not None
    ]


def _signing_keys(base: Foundations) -> list[Expiry]:
    """A retired key ends when it leaves the key set, the others with their certificate."""
    found = []
    for key in base.token_keys.list() if "as" in base.settings.roles else []:
        ends_at = key.retires_at or _ends_at(key.certificates.encode())
        if ends_at is not None:
            found.append(Expiry(Expiring.SIGNING_KEY, key.key_id, ends_at))
    return found


def _server_certificate(base: Foundations) -> list[Expiry]:
    path = base.settings.server.tls_certificate
    ends_at = _ends_at(path.read_bytes()) if path is not None else None
    return [Expiry(Expiring.CERTIFICATE, str(path), ends_at)] if ends_at else []


def _ends_at(chain: bytes) -> datetime | None:
    """When the first certificate of a chain to end does so; ``None`` without certificates."""
    if not chain:
        return None
    certificates = x509.load_pem_x509_certificates(chain)
    return min(certificate.not_valid_after_utc for certificate in certificates)
