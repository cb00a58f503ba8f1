"""A test root in AMD's place: ARK, ASK, ASVK and chip certificates of generated keys.

The certificates have the names, extensions, serial numbers and signatures of AMD's, with RSA keys
of 2048 bits instead of 4096, because tests make many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

START = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2035, 1, 1, tzinfo=UTC)

_PSS = padding.PSS(padding.MGF1(SHA384()), 48)
_EXTENSIONS = "1.3.6.1.4.1.3704.1"
_SPL = {"bootloader": "3.1", "tee": "3.2", "snp": "3.3", "microcode": "3.8", "fmc": "3.9"}


@dataclass(frozen=True)
class Authority:
    """One certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class LeafPlan:
    """What a VCEK or VLEK certificate is to say; tests change one thing."""

    tcb: dict[str, int]
    hwid: bytes | None
    common_name: str = "SEV-VCEK"
    not_before: datetime = START
    not_after: datetime = END
    leave_out: tuple[str, ...] = ()
    curve: ec.EllipticCurve = ec.SECP384R1()  # noqa: RUF009 - it has no state


class SimulatedAMD:
    """The keys of one generation of processors.

    Args:
        generation: ``Milan``, ``Genoa`` or ``Turin``.
        number: tells two roots of one generation apart.
        keys: of ARK, ASK and ASVK, where they are to outlive the process.
    """

    def __init__(
        self,
        generation: str,
        number: int = 0,
        keys: Sequence[rsa.RSAPrivateKey] | None = None,
    ) -> None:
        self.generation = generation
        keys = keys or _keys(generation, number)
        self.ark = _authority(f"ARK-{generation}", keys[0], None, 65536)
        self.ask = _authority(f"SEV-{generation}", keys[1], self.ark, 65537)
        self.asvk = _authority(f"SEV-VLEK-{generation}", keys[2], self.ark, 65793)

    @property
    def root_pem(self) -> bytes:
        """What ``insecure_extra_roots`` would name."""
        return self.ark.pem

    def documents(self) -> dict[str, bytes]:
        """What a KDS has for this generation, by collateral name."""
        prefix = f"amd/{self.generation.lower()}"
        return {
            f"{prefix}/cert_chain": self.ask.pem + self.ark.pem,
            f"{prefix}/vlek_cert_chain": self.asvk.pem + self.ark.pem,
        }

    def leaf(self, plan: LeafPlan, key: ec.EllipticCurvePrivateKey) -> bytes:
        """A VCEK or VLEK certificate, DER."""
        issuer = self.asvk if plan.common_name == "SEV-VLEK" else self.ask
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(plan.common_name))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(plan.not_before)
            .not_valid_after(plan.not_after)
        )
        for identifier, content in _leaf_extensions(plan, self.generation).items():
            oid = x509.ObjectIdentifier(f"{_EXTENSIONS}.{identifier}")
            builder = builder.add_extension(
                x509.UnrecognizedExtension(oid, content), critical=False
            )
        draft = builder.sign(issuer.key, SHA384(), rsa_padding=_PSS)
        return _with_serial_zero(draft, issuer.key)

    def crl(self, *revoked: Authority, next_update: datetime = END, signer: str = "ark") -> bytes:
        """A revocation list, DER."""
        issuer: Authority = getattr(self, signer)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.ark.certificate.subject)
            .last_update(START)
            .next_update(next_update)
        )
        for authority in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(authority.certificate.serial_number)
                .revocation_date(START + timedelta(days=1))
                .build()
            )
        return builder.sign(issuer.key, SHA384(), rsa_padding=_PSS).public_bytes(Encoding.DER)


@lru_cache(maxsize=8)
def _keys(generation: str, number: int) -> tuple[rsa.RSAPrivateKey, ...]:
    del generation, number  # they only tell the rows apart
    return tuple(rsa.generate_private_key(65537, 2048) for _ in range(3))


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Engineering"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated Micro Devices"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _authority(
    common_name: str, key: rsa.RSAPrivateKey, issuer: Authority | None, serial: int
) -> Authority:
    subject = _name(common_name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, SHA384(), rsa_padding=_PSS)
    )
    return Authority(certificate, key)


def _leaf_extensions(plan: LeafPlan, generation: str) -> dict[str, bytes]:
    found = {"1": _integer(0), "2": b"\x16" + bytes([len(generation)]) + generation.encode()}
    for name, identifier in _SPL.items():
        if name in plan.tcb:
            found[identifier] = _integer(plan.tcb[name])
    if plan.hwid is not None:
        found["4"] = plan.hwid
    return {key: value for key, value in found.items() if key not in plan.leave_out}


def _integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([0x02, len(content)]) + content


def _with_serial_zero(draft: x509.Certificate, key: rsa.RSAPrivateKey) -> bytes:
    """The certificate with the serial number 0, as AMD issues them and libraries do not."""
    serial = b"\xa0\x03\x02\x01\x02\x02\x01"
    tbs = draft.tbs_certificate_bytes.replace(serial + b"\x01", serial + b"\x00", 1)
    encoded = draft.public_bytes(Encoding.DER)
    after_tbs = encoded[encoded.index(draft.tbs_certificate_bytes) + len(tbs) :]
    algorithm = after_tbs[: after_tbs.index(draft.signature) - 5]
    signature = key.sign(tbs, _PSS, SHA384())
    bits = b"\x03\x82" + (len(signature) + 1).to_bytes(2, "big") + b"\x00" + signature
    content = tbs + algorithm + bits
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content
