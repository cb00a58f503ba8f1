"""X.509 as NVIDIA's devices use it: ECDSA on P-384 with SHA-384, up to a pinned root.

Sources: RFC 5280, sections 4 and 6 (frame and path); TCG DICE Attestation Architecture, section 6
(the extension that names firmware). Read with our own DER reader: serial numbers of devices are
whatever the factory burned in, and nothing is read that is not checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.attestation.formats import der
from app.attestation.formats.dcap_cache import VerifiedCache, digest_of
from app.attestation.formats.der import DERError, DERValue
from app.trust.errors import (
    ChainError,
    ExpiredCertificateError,
    SignatureError,
    UntrustedRootError,
)

# SHA-256 over the DER of the "NVIDIA Device Identity CA".
NVIDIA_ROOTS = frozenset({"102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"})

TCB_INFO = "2.23.133.5.4.1"
MAX_CERTIFICATE_BYTES = 16 * 1024
MAX_PEM_BYTES = 64 * 1024
SIGNATURE_BYTES = 96
_MAX_CERTIFICATES = 8
_LEAST_CERTIFICATES = 2
# Authorities of a fleet, and the leaves of some thousand devices.
_REMEMBERED_CHAINS = 4096

_ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3"
_COMMON_NAME = "2.5.4.3"
_BASIC_CONSTRAINTS = "2.5.29.19"
_KEY_USAGE = "2.5.29.15"
# Critical extensions that are understood here: what a key may do, and what DICE says of firmware.
_UNDERSTOOD = (_BASIC_CONSTRAINTS, _KEY_USAGE, "2.5.29.37", "2.23.133.5.4.")
_KEY_CERT_SIGN = 0x04

_PEM_BLOCK = re.compile(
    rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,32768}?)-----END CERTIFICATE-----"
)


class CertificateFormatError(ValueError):
    """The bytes are not a certificate of this profile."""


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """What is checked of a certificate; unverified until a chain says otherwise.

    Attributes:
        encoded: the whole, DER.
        tbs: the signed part, DER.
        signature: over it, DER (RFC 3279, section 2.2.3).
        serial: content of the INTEGER, without the zero that keeps it positive.
        issuer: the name of who signed, DER.
        subject: the name of the holder, DER.
        common_name: of the subject; empty when it has none.
        not_before: first instant of validity, UTC.
        not_after: last instant of validity, UTC.
        key: on P-384.
        is_authority: whether basic constraints and key usage let it sign certificates.
        extensions: content of the extensions by dotted identifier.
    """

    encoded: bytes
    tbs: bytes
    signature: bytes
    serial: bytes
    issuer: bytes
    subject: bytes
    common_name: str
    not_before: datetime
    not_after: datetime
    key: ec.EllipticCurvePublicKey = field(repr=False)
    is_authority: bool
    extensions: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The fingerprint by which roots are pinned, hex."""
        return hashlib.sha256(self.encoded).hexdigest()

    def check_validity(self, now: datetime) -> None:
        """Refuse a certificate outside its dates.

        Raises:
            ExpiredCertificateError: now is before the first or after the last instant.
        """
        if not self.not_before <= now <= self.not_after:
            raise ExpiredCertificateError(
                f"the certificate of {self.common_name!r} is outside its dates"
            )

    def check_issued_by(self, issuer: DeviceCertificate) -> None:
        """Refuse a certificate that another key signed, or another name.

        Raises:
            ChainError: the names differ, or the signature does not verify.
        """
        if self.issuer != issuer.subject:
            raise ChainError(f"the certificate of {self.common_name!r} names another issuer")
        try:
            issuer.key.verify(self.signature, self.tbs, ec.ECDSA(SHA384()))
        except InvalidSignature as error:
            raise ChainError(
                f"the certificate of {self.common_name!r} is not signed by its issuer"
            ) from error


class DeviceChains:
    """Verifies chains, and remembers what it verified.

    Args:
        roots: SHA-256 of the accepted roots' DER, hex.
    """

    def __init__(self, roots: frozenset[str]) -> None:
        self.roots = roots
        self._verified: VerifiedCache[tuple[DeviceCertificate, ...]] = VerifiedCache(
            _REMEMBERED_CHAINS
        )

    def verify(self, ders: list[bytes], now: datetime) -> DeviceCertificate:
        """The leaf of a chain, leaf first, that ends in a pinned root.

        Raises:
            CertificateFormatError: a certificate does not parse.
            UntrustedRootError: the last one is not pinned.
            ChainError: fewer than two, a wrong name or signature, an issuer that is no authority,
                or an authority in the place of the leaf.
            ExpiredCertificateError: one is outside its dates.
        """
        return self.verify_chain(ders, now)[0]

    def verify_chain(self, ders: list[bytes], now: datetime) -> tuple[DeviceCertificate, ...]:
        """The whole chain, leaf first; see ``verify``."""
        if len(ders) < _LEAST_CERTIFICATES:
            raise ChainError("a chain has a leaf and a root at least")
        chain = self._find(tuple(ders))
        # Dates are judged each time; what is remembered is what no clock changes.
        for certificate in chain:
            certificate.check_validity(now)
        if chain[0].is_authority:
            raise ChainError("an authority stands in the place of the key that signs reports")
        return chain

    def _find(self, ders: tuple[bytes, ...]) -> tuple[DeviceCertificate, ...]:
        # From the root down, so that nothing is remembered that does not lead to a pinned root.
        return self._verified.get(digest_of(*ders), partial(self._extend, ders))

    def _extend(self, ders: tuple[bytes, ...]) -> tuple[DeviceCertificate, ...]:
        if len(ders) == 1:
            return (self._root(ders[0]),)
        issuers = self._find(ders[1:])
        certificate = parse_certificate(ders[0])
        if not issuers[0].is_authority:
            raise ChainError(f"the issuer of {certificate.common_name!r} is no authority")
        certificate.check_issued_by(issuers[0])
        return (certificate, *issuers)

    def _root(self, encoded: bytes) -> DeviceCertificate:
        root = parse_certificate(encoded)
        if not any(hmac.compare_digest(root.sha256, pinned) for pinned in self.roots):
            raise UntrustedRootError("the certificate chain does not end in a pinned root")
        root.check_issued_by(root)
        return root


def verify_raw_signature(
    key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes, what: str
) -> None:
    """The ECDSA P-384 signature with SHA-384 over ``signed`` is of this key.

    ``signature`` is r then s, big endian, 48 bytes each; ``what`` was signed, for the message.

    Raises:
        SignatureError: it does not verify.
    """
    half = SIGNATURE_BYTES // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    verify_signature(key, encode_dss_signature(r, s), signed, what)


def verify_signature(
    key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes, what: str
) -> None:
    """The same for a DER signature.

    Raises:
        SignatureError: it does not verify.
    """
    try:
        key.verify(signature, signed, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise SignatureError(f"the signature of {what} does not verify") from error


def pem_certificates(pem: bytes) -> list[bytes]:
    """The DER of the certificates in PEM text, in their order; NULs may follow the last one.

    Raises:
        CertificateFormatError: none, more than 8, or something else between them.
    """
    if len(pem) > MAX_PEM_BYTES:
        raise CertificateFormatError(f"the certificates are longer than {MAX_PEM_BYTES} bytes")
    text, blocks, at = pem.rstrip(b"\x00 \t\r\n"), list[bytes](), 0
    while at < len(text):
        match = _PEM_BLOCK.match(text, at)
        if match is None or len(blocks) == _MAX_CERTIFICATES:
            raise CertificateFormatError("not PEM text of at most 8 certificates")
        try:
            blocks.append(base64.b64decode(b"".join(match[1].split()), validate=True))
        except ValueError as error:
            raise CertificateFormatError("PEM with bad base64") from error
        at = match.end()
    if not blocks:
        raise CertificateFormatError("no certificates")
    return blocks


def parse_certificate(encoded: bytes) -> DeviceCertificate:
    """A certificate in DER.

    Raises:
        CertificateFormatError: it does not parse, its key is not on P-384, or it is not signed with
            ECDSA and SHA-384.
    """
    if len(encoded) > MAX_CERTIFICATE_BYTES:
        raise CertificateFormatError("a certificate is too large")
    try:
        return _parse(encoded)
    except (IndexError, ValueError, UnsupportedAlgorithm) as error:
        raise CertificateFormatError("a certificate does not parse") from error


def _parse(encoded: bytes) -> DeviceCertificate:
    tbs, algorithm, signature = der.read_value(encoded, der.SEQUENCE).children()
    version, serial, signed_with, issuer, validity, subject, spki, *rest = tbs.expect(
        der.SEQUENCE
    ).children()
    if version.encoded != b"\xa0\x03\x02\x01\x02":
        raise CertificateFormatError("not an X.509 certificate of version 3")
    (identifier,) = algorithm.expect(der.SEQUENCE).children()
    if signed_with.encoded != algorithm.encoded or (
        der.object_identifier(identifier) != _ECDSA_WITH_SHA384
    ):
        raise CertificateFormatError("not signed with ECDSA and SHA-384")
    not_before, not_after = validity.expect(der.SEQUENCE).children()
    der.integer(serial)
    extensions = _extensions(rest)
    return DeviceCertificate(
        encoded=encoded,
        tbs=tbs.encoded,
        signature=der.bit_string(signature),
        serial=serial.content.lstrip(b"\0"),
        issuer=issuer.expect(der.SEQUENCE).encoded,
        subject=subject.expect(der.SEQUENCE).encoded,
        common_name=_common_name(subject),
        not_before=der.time(not_before),
        not_after=der.time(not_after),
        key=_key(spki.expect(der.SEQUENCE).encoded),
        is_authority=_is_authority(extensions),
        extensions=extensions,
    )


def _key(spki: bytes) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise CertificateFormatError("the key is not on P-384")
    return key


def _extensions(rest: list[DERValue]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    if not rest:
        return MappingProxyType(found)
    if len(rest) > 1:
        raise CertificateFormatError("more than extensions")
    for extension in der.read_value(rest[0].expect(0xA3).content, der.SEQUENCE).children():
        identifier, *critical, content = extension.expect(der.SEQUENCE).children()
        name = der.object_identifier(identifier)
        if name in found:
            raise CertificateFormatError("an extension stands twice")
        if critical and not name.startswith(_UNDERSTOOD):
            raise CertificateFormatError("an unknown critical extension")
        found[name] = content.expect(der.OCTET_STRING).content
    return MappingProxyType(found)


def _common_name(subject: DERValue) -> str:
    """The first one; device names have one, and names without it are names too."""
    for relative in subject.children():
        for attribute in relative.expect(der.SET).children():
            identifier, value = attribute.expect(der.SEQUENCE).children()
            if der.object_identifier(identifier) == _COMMON_NAME:
                return value.content.decode("utf-8")
    return ""


def _is_authority(extensions: Mapping[str, bytes]) -> bool:
    if _BASIC_CONSTRAINTS not in extensions or _KEY_USAGE not in extensions:
        return False
    constraints = der.read_value(extensions[_BASIC_CONSTRAINTS], der.SEQUENCE).children()
    usage = der.read_value(extensions[_KEY_USAGE], der.BIT_STRING).content
    if len(usage) < 2:
        raise DERError("a key usage without bits")
    is_ca = bool(constraints) and constraints[0].encoded == b"\x01\x01\xff"
    return is_ca and bool(usage[1] & _KEY_CERT_SIGN)
