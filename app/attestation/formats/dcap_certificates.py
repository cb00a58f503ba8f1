"""X.509 as DCAP uses it: ECDSA P-256 chains to a root that is pinned by its key.

Source: Intel, "SGX PCK Certificate and Certificate Revocation List Profile Specification". Whether
dates have passed is not judged here: every period goes to the appraisal, which knows the time.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from app.attestation.formats.der import check_whole_signature
from app.trust.errors import (
    ChainError,
    CollateralMismatchError,
    ConfigError,
    RevokedError,
    SignatureError,
    UntrustedRootError,
)

# SHA-256 over the DER SubjectPublicKeyInfo of the "Intel SGX Root CA".
INTEL_ROOTS = frozenset({"a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"})
MAX_PEM_BYTES = 64 * 1024

# What the library raises, now or when a field is asked for; they have no common base.
_LIBRARY_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
_PEM_BLOCK = re.compile(
    rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536}?)-----END CERTIFICATE-----"
)


class UnreadableError(Exception):
    """A certificate or a revocation list does not parse; whose fault it is, the caller knows."""


@dataclass(frozen=True, slots=True)
class Period:
    """When a document was issued and until when it is meant to be used, UTC."""

    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with an ECDSA P-256 key.

    Attributes:
        subject: distinguished name, DER.
        point: the public key, uncompressed, 65 bytes.
        spki_digest: SHA-256 over the DER SubjectPublicKeyInfo, hex.
        is_authority: whether it may sign certificates and revocation lists.
    """

    x509: x509.Certificate
    subject: bytes
    issuer: bytes
    common_name: str
    serial: int
    period: Period
    key: ec.EllipticCurvePublicKey
    point: bytes
    spki_digest: str
    is_authority: bool


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """Certificates that were checked up to a pinned root, leaf first, root last."""

    certificates: tuple[Certificate, ...]

    @property
    def leaf(self) -> Certificate:
        """What the chain is about."""
        return self.certificates[0]

    @property
    def issuer(self) -> Certificate:
        """Who signed the leaf."""
        return self.certificates[1]

    @property
    def root(self) -> Certificate:
        """The anchor."""
        return self.certificates[-1]

    @property
    def periods(self) -> tuple[Period, ...]:
        """Of every certificate."""
        return tuple(each.period for each in self.certificates)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A revocation list.

    Attributes:
        number: the CRL number extension (RFC 5280, section 5.2.3).
        revoked: serial numbers.
    """

    x509: x509.CertificateRevocationList
    issuer: bytes
    number: int
    period: Period
    revoked: frozenset[int]


def roots_with(roots: frozenset[str], unverified_roots: bytes, tee: str) -> frozenset[str]:
    """The pinned roots, and those in a PEM file that the operator vouches for.

    Raises:
        ConfigError: the file does not hold certificate authorities with P-256 keys.
    """
    try:
        extra = [_load(der) for der in _pem_blocks(unverified_roots)]
    except UnreadableError as error:
        raise ConfigError([f"attestation.insecure_extra_roots.{tee}: {error}"]) from error
    if not extra or not all(each.is_authority for each in extra):
        raise ConfigError([f"attestation.insecure_extra_roots.{tee}: holds no root"])
    return roots | {each.spki_digest for each in extra}


def verify_chain(pem: bytes, length: int, roots: frozenset[str]) -> CertificateChain:
    """The chain in PEM text, checked link by link.

    Args:
        pem: certificates, leaf first, at most ``MAX_PEM_BYTES``; NULs may follow the last one.
        length: how many there must be, the self-signed root included.
        roots: SHA-256 digests of the keys that may be roots, hex.

    Raises:
        UnreadableError: the text is not exactly ``length`` certificates with P-256 keys.
        UntrustedRootError: the last one is not a pinned root.
        ChainError: a certificate is not signed by the next one, or the next one is no authority.
    """
    certificates = tuple(_load(der) for der in _pem_blocks(pem))
    if len(certificates) != length:
        raise UnreadableError(f"{len(certificates)} certificates where {length} are expected")
    if certificates[-1].spki_digest not in roots:
        raise UntrustedRootError("the certificate chain does not end in a pinned root")
    for subject, issuer in zip(certificates, (*certificates[1:], certificates[-1]), strict=True):
        _check_link(subject, issuer)
    return CertificateChain(certificates)


def read_revocation_list(der: bytes) -> RevocationList:
    """A revocation list in DER.

    Raises:
        UnreadableError: it does not parse, or has no number or no next update.
    """
    try:
        crl = x509.load_der_x509_crl(der)
        check_whole_signature(der, crl.signature)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        revoked = frozenset(entry.serial_number for entry in crl)
        issued_at, expires_at = crl.last_update_utc, crl.next_update_utc
        issuer = crl.issuer.public_bytes()
    except _LIBRARY_ERRORS as error:
        raise UnreadableError("the revocation list does not parse") from error
    if expires_at is None:
        raise UnreadableError("the revocation list has no next update")
    return RevocationList(crl, issuer, number, Period(issued_at, expires_at), revoked)


def check_list_issuer(crl: RevocationList, issuer: Certificate) -> None:
    """The list is this authority's.

    Raises:
        CollateralMismatchError: it is another authority's.
        SignatureError: its signature does not verify.
    """
    if crl.issuer != issuer.subject:
        raise CollateralMismatchError("the revocation list is of another authority")
    is_ecdsa = crl.x509.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA256
    if not (is_ecdsa and crl.x509.is_signature_valid(issuer.key)):
        raise SignatureError("the signature of the revocation list does not verify")


def check_not_revoked(certificates: Iterable[Certificate], crl: RevocationList) -> None:
    """None of the certificates that the list's authority issued is on it.

    Raises:
        RevokedError: one is.
    """
    for certificate in certificates:
        if certificate.issuer == crl.issuer and certificate.serial in crl.revoked:
            raise RevokedError(f"the certificate of {certificate.common_name!r} is revoked")


def verify_raw_signature(
    key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes, what: str
) -> None:
    """The ECDSA P-256 signature with SHA-256 over ``signed`` is of this key.

    ``signature`` is r then s, big endian, 32 bytes each; ``what`` was signed, for the message.

    Raises:
        SignatureError: it does not verify.
    """
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise SignatureError(f"the signature of {what} does not verify") from error


def _pem_blocks(pem: bytes) -> list[bytes]:
    if len(pem) > MAX_PEM_BYTES:
        raise UnreadableError(f"the certificates are longer than {MAX_PEM_BYTES} bytes")
    text, blocks, at = pem.rstrip(b"\x00 \t\r\n"), [], 0
    while at < len(text):
        match = _PEM_BLOCK.match(text, at)
        if match is None:
            raise UnreadableError("the text is not a list of PEM certificates")
        try:
            blocks.append(base64.b64decode(b"".join(match[1].split()), validate=True))
        except ValueError as error:
            raise UnreadableError("a PEM certificate is not base64") from error
        at = match.end()
    return blocks


def _load(der: bytes) -> Certificate:
    # The library reads fields when they are asked for, so any of them may be the one that fails.
    try:
        certificate = x509.load_der_x509_certificate(der)
        check_whole_signature(der, certificate.signature)
        return _read_certificate(certificate)
    except _LIBRARY_ERRORS as error:
        raise UnreadableError("a certificate does not parse") from error


def _read_certificate(certificate: x509.Certificate) -> Certificate:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnreadableError("the key of a certificate is not on P-256")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate(
        x509=certificate,
        subject=certificate.subject.public_bytes(),
        issuer=certificate.issuer.public_bytes(),
        common_name=str(names[0].value) if names else "",
        serial=certificate.serial_number,
        period=Period(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        key=key,
        point=key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        spki_digest=hashlib.sha256(spki).hexdigest(),
        is_authority=_is_authority(certificate),
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return basic.ca and usage.key_cert_sign


def _check_link(subject: Certificate, issuer: Certificate) -> None:
    name = subject.common_name
    if not issuer.is_authority:
        raise ChainError(f"the issuer of {name!r} is no certificate authority")
    if subject.x509.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise ChainError(f"the certificate of {name!r} is not signed by ECDSA with SHA-256")
    try:
        subject.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ChainError(f"the certificate of {name!r} is not signed by the next one") from error
