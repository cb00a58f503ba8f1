"""AMD's certificates: roots (ARK), intermediates (ASK, ASVK), chip and loaded keys (VCEK, VLEK).

Sources: AMD publication 57230, sections 2 and 3 (profile and extensions); RFC 5280, section 4
(the frame). Every one is signed with RSASSA-PSS, SHA-384, MGF1 with SHA-384, 48 bytes of salt; the
key in a VCEK or VLEK is ECDSA on P-384.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.attestation.formats import der
from app.attestation.formats.der import DERError, DERValue

MAX_CERTIFICATE_BYTES = 16 * 1024
_MAX_IN_PEM = 8

_COMMON_NAME = "2.5.4.3"
_BASIC_CONSTRAINTS = "2.5.29.19"
_KEY_USAGE = "2.5.29.15"
_RSASSA_PSS = "1.2.840.113549.1.1.10"

_AMD = "1.3.6.1.4.1.3704.1"
BOOTLOADER_SPL = f"{_AMD}.3.1"
TEE_SPL = f"{_AMD}.3.2"
SNP_SPL = f"{_AMD}.3.3"
MICROCODE_SPL = f"{_AMD}.3.8"
FMC_SPL = f"{_AMD}.3.9"
HWID = f"{_AMD}.4"

_PEM_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----"
)
_PSS = padding.PSS(padding.MGF1(SHA384()), 48)


class CertificateFormatError(ValueError):
    """The bytes are not one of AMD's certificates."""


@dataclass(frozen=True, slots=True)
class AMDCertificate:
    """What is checked of a certificate; unverified until a chain says otherwise.

    Attributes:
        encoded: the whole, DER.
        tbs: the signed part, DER.
        signature: over it.
        serial: 0 in every VCEK and VLEK.
        issuer: the name of who signed, DER.
        subject: the name of the holder, DER.
        common_name: of the subject.
        not_before: first instant of validity, UTC.
        not_after: last instant of validity, UTC.
        spki: SubjectPublicKeyInfo, DER.
        is_authority: whether basic constraints say that it may sign certificates.
        extensions: content of the extensions by dotted identifier.
    """

    encoded: bytes
    tbs: bytes
    signature: bytes
    serial: int
    issuer: bytes
    subject: bytes
    common_name: str
    not_before: datetime
    not_after: datetime
    spki: bytes
    is_authority: bool
    extensions: Mapping[str, bytes]

    @classmethod
    def parse(cls, data: bytes) -> AMDCertificate:
        """The certificate, from DER or PEM; of several in PEM the first.

        Raises:
            CertificateFormatError: there is none, or it is not of AMD's profile.
        """
        if data.startswith(b"-----BEGIN"):
            return parse_pem_certificates(data)[0]
        return _parse_der(data)

    @property
    def spki_sha256(self) -> bytes:
        """The fingerprint by which roots are pinned."""
        return hashlib.sha256(self.spki).digest()

    def verify(self, signature: bytes, signed: bytes) -> None:
        """Check a signature under the RSA key of this certificate.

        Raises:
            InvalidSignature: it was not made by this key, or this is no RSA key.
        """
        key = self._key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise InvalidSignature
        key.verify(signature, signed, _PSS, SHA384())

    def report_key(self) -> ec.EllipticCurvePublicKey:
        """The key that reports are signed with.

        Raises:
            CertificateFormatError: it is not an ECDSA key on P-384.
        """
        key = self._key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
            raise CertificateFormatError("the key is not on P-384")
        return key

    def _key(self) -> object:
        try:
            return load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CertificateFormatError("the key does not parse") from error

    def spl(self, identifier: str) -> int | None:
        """The security patch level of one component, 0..255; ``None`` when it is not there.

        Raises:
            CertificateFormatError: it is not a DER INTEGER in that range.
        """
        content = self.extensions.get(identifier)
        if content is None:
            return None
        try:
            value = der.integer(der.read_value(content, der.INTEGER))
        except DERError as error:
            raise CertificateFormatError("a patch level is not an integer") from error
        if not 0 <= value <= 0xFF:
            raise CertificateFormatError("a patch level is out of range")
        return value

    def hwid(self) -> bytes | None:
        """The chip id, 64 bytes (8 on Turin); ``None`` when it is not there.

        Raises:
            CertificateFormatError: it is of another length.
        """
        content = self.extensions.get(HWID)
        if content is None:
            return None
        # AMD wrote the bytes bare at first, and wrapped into an OCTET STRING later.
        if content[:2] in {b"\x04\x40", b"\x04\x08"} and len(content) == content[1] + 2:
            content = content[2:]
        if len(content) not in {8, 64}:
            raise CertificateFormatError("a chip id of an unknown length")
        return content


def parse_pem_certificates(data: bytes) -> list[AMDCertificate]:
    """The certificates of a PEM file in their order; at least one.

    Raises:
        CertificateFormatError: there is none, there are more than 8, or one does not parse.
    """
    blocks = _PEM_BLOCK.findall(data[: _MAX_IN_PEM * 2 * MAX_CERTIFICATE_BYTES])
    if not 1 <= len(blocks) <= _MAX_IN_PEM:
        raise CertificateFormatError("not a PEM file of certificates")
    try:
        bodies = [base64.b64decode(b"".join(block.split()), validate=True) for block in blocks]
    except binascii.Error as error:
        raise CertificateFormatError("PEM with bad base64") from error
    return [_parse_der(body) for body in bodies]


def _parse_der(data: bytes) -> AMDCertificate:
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise CertificateFormatError("a certificate is too large")
    try:
        return _parse(data)
    except (IndexError, ValueError) as error:
        raise CertificateFormatError("a certificate does not parse") from error


def _parse(data: bytes) -> AMDCertificate:
    tbs, algorithm, signature = der.read_value(data, der.SEQUENCE).children()
    version, serial, signed_with, issuer, validity, subject, spki, *rest = tbs.expect(
        der.SEQUENCE
    ).children()
    if version.encoded != b"\xa0\x03\x02\x01\x02":
        raise CertificateFormatError("not an X.509 certificate of version 3")
    if signed_with.encoded != algorithm.encoded:
        raise CertificateFormatError("two signature algorithms")
    if der.object_identifier(algorithm.children()[0]) != _RSASSA_PSS:
        raise CertificateFormatError("not signed with RSASSA-PSS")
    not_before, not_after = validity.expect(der.SEQUENCE).children()
    extensions = _extensions(rest)
    return AMDCertificate(
        encoded=data,
        tbs=tbs.encoded,
        signature=der.bit_string(signature),
        serial=der.integer(serial),
        issuer=issuer.expect(der.SEQUENCE).encoded,
        subject=subject.expect(der.SEQUENCE).encoded,
        common_name=_common_name(subject),
        not_before=der.time(not_before),
        not_after=der.time(not_after),
        spki=spki.expect(der.SEQUENCE).encoded,
        is_authority=_is_authority(extensions.get(_BASIC_CONSTRAINTS)),
        extensions=extensions,
    )


def _extensions(rest: list[DERValue]) -> Mapping[str, bytes]:
    if len(rest) != 1:
        raise CertificateFormatError("no extensions, or more than extensions")
    found: dict[str, bytes] = {}
    for extension in der.read_value(rest[0].expect(0xA3).content, der.SEQUENCE).children():
        identifier, *critical, content = extension.expect(der.SEQUENCE).children()
        name = der.object_identifier(identifier)
        if name in found:
            raise CertificateFormatError("an extension stands twice")
        if critical and name not in {_BASIC_CONSTRAINTS, _KEY_USAGE}:
            raise CertificateFormatError("an unknown critical extension")
        found[name] = content.expect(der.OCTET_STRING).content
    return MappingProxyType(found)


def _common_name(subject: DERValue) -> str:
    names = []
    for relative in subject.children():
        for attribute in relative.expect(der.SET).children():
            identifier, value = attribute.expect(der.SEQUENCE).children()
            if der.object_identifier(identifier) == _COMMON_NAME:
                names.append(value.content.decode("utf-8"))
    if len(names) != 1:
        raise CertificateFormatError("not one common name")
    return names[0]


def _is_authority(content: bytes | None) -> bool:
    if content is None:
        return False
    constraints = der.read_value(content, der.SEQUENCE).children()
    return bool(constraints) and constraints[0].encoded == b"\x01\x01\xff"
