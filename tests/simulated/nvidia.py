"""A simulated NVIDIA: a root, a device with its DICE key, and reports that it signs."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fakes import NOON

TCB_INFO = x509.ObjectIdentifier("2.23.133.5.4.1")
END = datetime(9999, 12, 31, tzinfo=UTC)
FWID = bytes(range(48))
NONCE = bytes(range(32))


@dataclass
class Holder:
    """A certificate with its key."""

    name: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-384, r then s."""
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(SHA384())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")


@dataclass
class Plan:
    """What a certificate says."""

    name: str
    authority: bool = True
    not_before: datetime = NOON - timedelta(days=1)
    not_after: datetime = END
    extensions: dict[x509.ObjectIdentifier, bytes] = field(default_factory=dict)
    curve: ec.EllipticCurve = field(default_factory=ec.SECP384R1)
    hash: HashAlgorithm = field(default_factory=SHA384)
    cert_sign: bool = True
    serial: int | None = None
    critical: bool = False


def issue(plan: Plan, issuer: Holder | None = None, *, issuer_name: str | None = None) -> Holder:
    """A certificate for a new key; signed by itself without an issuer."""
    key = ec.generate_private_key(plan.curve)
    signer = issuer.key if issuer else key
    by = issuer_name or (issuer.name if issuer else plan.name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, plan.name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(plan.serial or x509.random_serial_number())
        .not_valid_before(plan.not_before)
        .not_valid_after(plan.not_after)
    )
    if plan.authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    other_uses = (
        "content_commitment key_encipherment data_encipherment key_agreement crl_sign "
        "encipher_only decipher_only"
    )
    usage = dict.fromkeys(other_uses.split(), False)
    can_sign = plan.authority and plan.cert_sign
    builder = builder.add_extension(
        x509.KeyUsage(digital_signature=True, key_cert_sign=can_sign, **usage), True
    )
    for identifier, content in plan.extensions.items():
        builder = builder.add_extension(
            x509.UnrecognizedExtension(identifier, content), plan.critical
        )
    return Holder(plan.name, builder.sign(signer, plan.hash), key)


def leaf_plan(fwid: bytes = FWID, **changes: Any) -> Plan:
    """Of a key that signs reports of the firmware."""
    return Plan("Device FMC", authority=False, extensions={TCB_INFO: b"\x30" + fwid}, **changes)


class SimulatedNVIDIA:
    """A root, an intermediate, and a device."""

    def __init__(self) -> None:
        self.root = issue(Plan("Simulated Device Identity CA"))
        self.identity = issue(Plan("Simulated Identity"), self.root)
        self.device = issue(leaf_plan(), self.identity)

    def chain(self, leaf: Holder | None = None) -> list[Holder]:
        """Leaf first, root last."""
        return [leaf or self.device, self.identity, self.root]


def opaque(fields: dict[int, bytes] | None = None) -> bytes:
    """Opaque data; the defaults are what a report needs."""
    defaults = {
        3: b"550.1\0",
        6: bytes.fromhex("009f009601000000"),
        15: b"882\0",
        17: b"1010\0",
        18: b"0200\0",
        20: FWID,
    }
    return b"".join(
        kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
        for kind, value in (defaults if fields is None else fields).items()
    )


def block(index: int, value: bytes) -> bytes:
    """One measurement."""
    inner = b"\x01" + len(value).to_bytes(2, "little") + value
    return bytes([index, 1]) + len(inner).to_bytes(2, "little") + inner


@dataclass
class Report:
    """A report to be signed; each part may be wrong."""

    nonce: bytes = NONCE
    blocks: list[bytes] = field(default_factory=lambda: [block(1, bytes(48)), block(2, FWID)])
    count: int | None = None
    opaque: bytes = field(default_factory=opaque)
    request: bytes = b"\x11\xe0\x01\xff"
    response: bytes = b"\x11\x60\x00\x00"

    def signed_by(self, signer: Holder) -> bytes:
        """Request, response and signature."""
        record = b"".join(self.blocks)
        count = len(self.blocks) if self.count is None else self.count
        body = (
            (self.request + self.nonce + b"\0" + self.response)
            + (bytes([count]) + len(record).to_bytes(3, "little") + record)
            + (bytes(32) + len(self.opaque).to_bytes(2, "little") + self.opaque)
        )
        return body + signer.sign(body)


def evidence(report: bytes, chain: list[Holder] | bytes, **changes: Any) -> dict[str, Any]:
    """Evidence of one device, as guests send it."""
    pem = chain if isinstance(chain, bytes) else b"".join(each.pem for each in chain)
    device = {
        "arch": "HOPPER",
        "uuid": "GPU-1",
        "evidence": base64.b64encode(report).decode(),
        "certificate": base64.b64encode(pem).decode(),
    }
    return {"device_evidence_list": [device | changes]}
