"""When vendors issued a document and how long they stand by it, as the document says.

Read without verifying anything: these dates decide when a newer document is asked for, what a table
shows, and that an older document does not replace a newer one. Verifiers judge dates afresh.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from app.attestation.collateral.catalogue import VendorDocument
from app.attestation.collateral.ports import Collateral

# A vendor that has no newer document is not asked again at once; one whose document is over is
# asked more often.
_RECHECK = timedelta(hours=1)
_RECHECK_STALE = timedelta(minutes=10)

_LIBRARY_ERRORS = (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm)
_JSON_BODIES = ("tcbInfo", "enclaveIdentity")


@dataclass(frozen=True, slots=True)
class Dates:
    """When a document was issued and when it is over, UTC, where it says so."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None


def dated(
    collateral: Collateral, document: VendorDocument | None, refresh_before: timedelta
) -> Collateral:
    """The document with its dates.

    Args:
        collateral: as it came from a place.
        document: what its vendor's catalogue says about it.
        refresh_before: how long before its end a newer one is asked for; a quarter of its life
            when that is shorter.
    """
    dates = dates_of(collateral.unverified_body)
    fetched_at = collateral.fetched_at
    max_age = document.max_age if document is not None else None
    moments = [] if max_age is None else [fetched_at + max_age]
    if dates.expires_at is not None and max_age is not None:
        window = refresh_before
        if dates.issued_at is not None:
            window = min(window, (dates.expires_at - dates.issued_at) / 4)
        over = dates.expires_at <= fetched_at
        recheck = min(_RECHECK_STALE if over else _RECHECK, max_age)
        moments.append(max(dates.expires_at - window, fetched_at + recheck))
    return replace(
        collateral,
        issued_at=dates.issued_at,
        expires_at=dates.expires_at,
        ageing_at=min(moments, default=None),
    )


def dates_of(unverified_body: bytes) -> Dates:
    """What a document says of itself; nothing when it does not parse or has no dates."""
    try:
        with warnings.catch_warnings():
            # AMD's certificates have the serial number 0, about which the library warns.
            warnings.simplefilter("ignore")
            return _read(unverified_body)
    except _LIBRARY_ERRORS:
        return Dates()


def _read(body: bytes) -> Dates:
    if body.startswith(b"-----BEGIN CERTIFICATE"):
        return _of_certificates(x509.load_pem_x509_certificates(body))
    if body.startswith(b"-----BEGIN X509 CRL"):
        revoked = x509.load_pem_x509_crl(body)
        return Dates(revoked.last_update_utc, revoked.next_update_utc)
    if body.startswith(b"{"):
        return _of_json(json.loads(body))
    der = bytes.fromhex(body.decode("ascii")) if body.startswith(b"30") else body
    return _of_der(der)


def _of_der(der: bytes) -> Dates:
    for read in (_of_list, _of_certificate, _of_ocsp):
        try:
            return read(der)
        except _LIBRARY_ERRORS:
            continue
    return Dates()


def _of_list(der: bytes) -> Dates:
    found = x509.load_der_x509_crl(der)
    return Dates(found.last_update_utc, found.next_update_utc)


def _of_certificate(der: bytes) -> Dates:
    return _of_certificates([x509.load_der_x509_certificate(der)])


def _of_ocsp(der: bytes) -> Dates:
    found = ocsp.load_der_ocsp_response(der)
    return Dates(found.this_update_utc, found.next_update_utc)


def _of_certificates(certificates: Iterable[x509.Certificate]) -> Dates:
    """Of a chain, the latest beginning and the earliest end."""
    held = list(certificates)
    return Dates(
        max(each.not_valid_before_utc for each in held),
        min(each.not_valid_after_utc for each in held),
    )


def _of_json(document: object) -> Dates:
    if not isinstance(document, dict):
        return Dates()
    for name in _JSON_BODIES:
        inner = document.get(name)
        if isinstance(inner, dict):
            return Dates(_moment(inner["issueDate"]), _moment(inner["nextUpdate"]))
    return Dates()


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found.astimezone(UTC)
