"""Certificates of TPM attestation keys, up to a root that the operator pins.

Sources: Trusted Computing Group, "TPM 2.0 Keys for Device Identity and Attestation", section 8
(extended key usage of attestation keys); RFC 5280, section 6 (paths). Revocation is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.attestation.formats.der import check_whole_signature
from app.trust.errors import (
    ChainError,
    ExpiredCertificateError,
    MalformedEvidenceError,
    UntrustedAttestationKeyError,
    UntrustedRootError,
)

MAX_CERTIFICATES = 5
MAX_CERTIFICATE_BYTES = 8 * 1024

_ATTESTATION_KEY = x509.ObjectIdentifier("2.23.133.8.3")
_LIBRARY_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound)


def load_roots(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificate authorities in a PEM file.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds none, or something else.
    """
    roots = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    if not all(_is_authority(each) for each in roots):
        raise ValueError("a certificate that is no authority")
    return roots


def verify_attestation_key(
    encoded_key: bytes,
    unverified_chain: Sequence[bytes],
    roots: Sequence[x509.Certificate],
    now: datetime,
) -> x509.Certificate:
    """The root that vouches for an attestation key.

    Args:
        encoded_key: SubjectPublicKeyInfo, DER.
        unverified_chain: DER, leaf first, with or without the root.
        roots: that are pinned.
        now: judges dates.

    Raises:
        MalformedEvidenceError: a certificate does not parse, or there are too many.
        UntrustedAttestationKeyError: the leaf is of another key, or is no attestation key's.
        ExpiredCertificateError: one is outside its dates.
        ChainError: one is not issued by the next.
        UntrustedRootError: the last is not issued by a pinned root.
    """
    chain = _load(unverified_chain)
    _check_leaf(chain[0], encoded_key)
    for certificate, issuer in pairwise(chain):
        _check_link(certificate, issuer)
    root = _find_root(chain[-1], roots)
    for certificate in (*chain, root):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ExpiredCertificateError("a certificate of the attestation key is out of date")
    return root


def _load(unverified_chain: Sequence[bytes]) -> list[x509.Certificate]:
    if not 1 <= len(unverified_chain) <= MAX_CERTIFICATES:
        raise MalformedEvidenceError(f"not 1 to {MAX_CERTIFICATES} certificates of the key")
    try:
        chain = [x509.load_der_x509_certificate(each) for each in unverified_chain]
        for certificate, der in zip(chain, unverified_chain, strict=True):
            check_whole_signature(der, certificate.signature)
            # Extensions are read when they are asked for; here they may fail.
            _ = certificate.extensions, certificate.public_key()
    except _LIBRARY_ERRORS as error:
        raise MalformedEvidenceError("a certificate of the key does not parse") from error
    return chain


def _check_leaf(leaf: x509.Certificate, encoded_key: bytes) -> None:
    found = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found != encoded_key:
        raise UntrustedAttestationKeyError("the certificate is of another key")
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise UntrustedAttestationKeyError("the certificate is of no attestation key") from error
    if _ATTESTATION_KEY not in usages or _is_authority(leaf):
        raise UntrustedAttestationKeyError("the certificate is of no attestation key")


def _check_link(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not _is_authority(issuer) or not _is_issued_by(certificate, issuer):
        raise ChainError("a certificate of the attestation key is not issued by the next one")


def _find_root(last: x509.Certificate, roots: Sequence[x509.Certificate]) -> x509.Certificate:
    for root in roots:
        if last == root or _is_issued_by(last, root):
            return root
    raise UntrustedRootError("the certificates of the attestation key end in no pinned root")


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_LIBRARY_ERRORS, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except _LIBRARY_ERRORS:
        return False
    return basic.ca and usage.key_cert_sign
