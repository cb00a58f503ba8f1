"""Certificates of a simulated Intel: their profile, and the SGX extension of PCK certificates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

CRL_URL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
SGX_EXTENSION = "1.2.840.113741.1.13.1"

# The security versions of the simulated platform.
SGX_COMPONENTS = (7, 9, 3, 3, 4, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
PCE_SVN = 13

_LIFETIME = timedelta(days=5 * 365)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256, r then s."""
        return raw_signature(self.key, data)


@dataclass(frozen=True)
class Platform:
    """What a PCK certificate says of a machine."""

    fmspc: bytes = bytes.fromhex("50806f000000")
    pce_id: bytes = bytes(2)
    ppid: bytes = bytes(range(16))
    components: tuple[int, ...] = SGX_COMPONENTS
    pce_svn: int = PCE_SVN
    instance_id: bytes = bytes(range(16, 32))
    sgx_type: int = 2
    authority: str = "platform"
    common_name: str = "Intel SGX PCK Certificate"


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for.

    Attributes:
        extension: content of the SGX extension, DER.
    """

    common_name: str
    is_authority: bool = False
    extension: bytes | None = None


def issue(
    subject: Subject,
    issuer: Identity | None,
    at: datetime,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Identity:
    """A certificate, valid five years before and after; with a fresh key, or self-signed.

    Its serial number is a function of who issues it and what it says, so that a lab whose keys
    outlive a process revokes the same machine in every process.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer is not None else key
    name = _name(subject.common_name)
    path_length = 1 if subject.is_authority else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer is not None else name)
        .public_key(key.public_key())
        .serial_number(_serial_number(subject, signer))
        .not_valid_before(at - _LIFETIME)
        .not_valid_after(at + _LIFETIME)
        .add_extension(authority_key(signer), critical=False)
        .add_extension(_distribution_point(), critical=False)
        .add_extension(_usage(is_authority=subject.is_authority), critical=True)
        .add_extension(x509.BasicConstraints(subject.is_authority, path_length), critical=True)
    )
    if subject.extension is not None:
        oid = x509.ObjectIdentifier(SGX_EXTENSION)
        extension = x509.UnrecognizedExtension(oid, subject.extension)
        builder = builder.add_extension(extension, critical=False)
    return Identity(builder.sign(signer, SHA256()), key)


def _serial_number(subject: Subject, signer: ec.EllipticCurvePrivateKey) -> int:
    spki = signer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    told = subject.common_name.encode() + b"\0" + (subject.extension or b"")
    digest = hashlib.sha256(hashlib.sha256(spki).digest() + told).digest()
    # At most 20 bytes (RFC 5280, section 4.1.2.2), and never zero.
    return int.from_bytes(digest[:19]) | 1


def raw_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ECDSA with SHA-256, r then s, 32 bytes each."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sgx_extension(platform: Platform) -> bytes:
    """The SGX extension of a PCK certificate, DER."""
    tcb = [
        _member(f"2.{number}", _tlv(0x02, _integer(svn)))
        for number, svn in enumerate((*platform.components, platform.pce_svn), start=1)
    ]
    tcb.append(_member("2.18", _tlv(0x04, bytes(svn & 0xFF for svn in platform.components))))
    members = [
        _member("1", _tlv(0x04, platform.ppid)),
        _member("2", _tlv(0x30, b"".join(tcb))),
        _member("3", _tlv(0x04, platform.pce_id)),
        _member("4", _tlv(0x04, platform.fmspc)),
        _member("5", _tlv(0x0A, bytes([platform.sgx_type]))),
    ]
    if platform.authority == "platform":
        flags = [
            _member(f"7.{number}", _tlv(0x01, b"\xff" if flag else b"\x00"))
            for number, flag in enumerate((True, False, True), start=1)
        ]
        members.append(_member("6", _tlv(0x04, platform.instance_id)))
        members.append(_member("7", _tlv(0x30, b"".join(flags))))
    return _tlv(0x30, b"".join(members))


def _member(arcs: str, value: bytes) -> bytes:
    oid = x509.ObjectIdentifier(f"{SGX_EXTENSION}.{arcs}")
    return _tlv(0x30, _tlv(0x06, _oid_content(oid)) + value)


def _oid_content(oid: x509.ObjectIdentifier) -> bytes:
    first, second, *rest = map(int, oid.dotted_string.split("."))
    content = bytes([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return content


def _integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated Intel"),
        ]
    )


def authority_key(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """The extension that names the key of an issuer."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _distribution_point() -> x509.CRLDistributionPoints:
    location = x509.UniformResourceIdentifier(CRL_URL)
    return x509.CRLDistributionPoints([x509.DistributionPoint([location], None, None, None)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
