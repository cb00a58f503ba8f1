"""Whether NVIDIA has revoked a device: answers of its OCSP responder (RFC 6960).

The responder is an authority of the chain, or a certificate for OCSP signing that one of them
issued. Certificates that devices make for themselves are not known to NVIDIA and not asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.attestation.collateral.nvidia import ocsp_name
from app.attestation.collateral.ports import CollateralSource
from app.attestation.formats.nvidia_certificates import DeviceCertificate
from app.trust.errors import (
    ChainError,
    CollateralMismatchError,
    CollateralUnavailableError,
    RevokedError,
    SignatureError,
    StaleCollateralError,
)

# Clocks differ; an answer that begins a little later than now is taken.
_SKEW = timedelta(minutes=5)
_MAX_RESPONDERS = 4
_LIBRARY_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound)


def check_not_revoked(
    chain: Sequence[DeviceCertificate], source: CollateralSource, now: datetime, *, first: int = 1
) -> None:
    """NVIDIA stands by every certificate of a verified chain that it issued itself.

    Args:
        chain: leaf first, root last; the root vouches for itself.
        source: has the responder's answers.
        now: judges their dates.
        first: which certificate of the chain NVIDIA issued; a device makes its leaf itself.

    Raises:
        CollateralUnavailableError: an answer could not be had, or does not parse.
        SignatureError: an answer is not signed by an authority of the chain or for one.
        CollateralMismatchError: it is about another certificate.
        StaleCollateralError: its time is over, or has not begun.
        RevokedError: the certificate is revoked.
        ChainError: NVIDIA does not know it.
    """
    for index in range(first, len(chain) - 1):
        _check_one(chain[index], chain[index + 1], chain[index + 1 :], source, now)


def state_name(certificate: DeviceCertificate, issuer: DeviceCertificate) -> str:
    """The collateral name of a certificate's state."""
    point = issuer.key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return ocsp_name(
        hashlib.sha384(certificate.issuer).digest(),
        hashlib.sha384(point).digest(),
        int.from_bytes(certificate.serial, "big"),
    )


def _check_one(
    certificate: DeviceCertificate,
    issuer: DeviceCertificate,
    authorities: Sequence[DeviceCertificate],
    source: CollateralSource,
    now: datetime,
) -> None:
    name = state_name(certificate, issuer)
    answer = _parse(source.get(name).unverified_body)
    _check_signature(answer, authorities, now)
    told = (answer.issuer_name_hash.hex(), answer.issuer_key_hash.hex(), answer.serial_number)
    if told != _asked(name):
        raise CollateralMismatchError("NVIDIA's responder answered about another certificate")
    _check_dates(answer, now)
    state = answer.certificate_status
    if state is ocsp.OCSPCertStatus.REVOKED:
        raise RevokedError(f"NVIDIA has revoked the certificate of {certificate.common_name!r}")
    if state is not ocsp.OCSPCertStatus.GOOD:
        raise ChainError(f"NVIDIA does not know the certificate of {certificate.common_name!r}")


def _asked(name: str) -> tuple[str, str, int]:
    issuer, _, serial = name.removeprefix("nvidia/ocsp/").partition("/")
    digests = issuer.partition("-")
    return digests[0], digests[2], int(serial, 16)


def _parse(body: bytes) -> ocsp.OCSPResponse:
    try:
        answer = ocsp.load_der_ocsp_response(body)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise ValueError("no answer")
        # Fields are read when they are asked for, so any of them may be the one that fails.
        _ = answer.this_update_utc, answer.issuer_key_hash, answer.certificate_status
        _ = answer.tbs_response_bytes, answer.certificates, answer.next_update_utc
    except _LIBRARY_ERRORS as error:
        raise CollateralUnavailableError("NVIDIA's responder gave no answer") from error
    return answer


def _check_dates(answer: ocsp.OCSPResponse, now: datetime) -> None:
    over = answer.next_update_utc
    if answer.this_update_utc - _SKEW > now or over is None or over <= now:
        raise StaleCollateralError("the answer of NVIDIA's responder is outside its dates")


def _check_signature(
    answer: ocsp.OCSPResponse, authorities: Sequence[DeviceCertificate], now: datetime
) -> None:
    for key in _responders(answer, authorities, now):
        try:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(SHA384()))
        except InvalidSignature:
            continue
        return
    raise SignatureError("nobody whom NVIDIA vouches for signed the answer of its responder")


def _responders(
    answer: ocsp.OCSPResponse, authorities: Sequence[DeviceCertificate], now: datetime
) -> Iterator[ec.EllipticCurvePublicKey]:
    """The keys that may sign: authorities, then those that one of them appointed."""
    yield from (each.key for each in authorities)
    for responder in answer.certificates[:_MAX_RESPONDERS]:
        try:
            key = responder.public_key()
            if (
                isinstance(key, ec.EllipticCurvePublicKey)
                and _may_answer(responder, now)
                and any(_issued(each, responder) for each in authorities)
            ):
                yield key
        except _LIBRARY_ERRORS:
            continue


def _may_answer(responder: x509.Certificate, now: datetime) -> bool:
    usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    in_time = responder.not_valid_before_utc <= now <= responder.not_valid_after_utc
    return in_time and ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _issued(authority: DeviceCertificate, responder: x509.Certificate) -> bool:
    if responder.issuer.public_bytes() != authority.subject:
        return False
    try:
        authority.key.verify(
            responder.signature, responder.tbs_certificate_bytes, ec.ECDSA(SHA384())
        )
    except InvalidSignature:
        return False
    return True
