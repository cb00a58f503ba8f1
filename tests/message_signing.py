"""Signed messages with reference values, made as a build would make them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.attestation.message_signers import Signer, SigningKey, TrustedSigners
from guest.wire.encoding import b64_encode

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DIGEST = "ab" * 48
KEY = ec.generate_private_key(ec.SECP256R1())


def trusting(
    *,
    key: SigningKey | None = None,
    roots: Sequence[x509.Certificate] = (),
    prefixes: tuple[str, ...] = ("snp_",),
) -> TrustedSigners:
    """One signer, ``ci``, at noon."""
    return TrustedSigners((Signer("ci", prefixes, key, tuple(roots)),), NOW)


CI = trusting(key=KEY.public_key())


def statement(**members: Any) -> dict[str, Any]:
    """SLSA provenance of one image, with some members changed."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "snp_launch_measurement", "digest": {"sha384": DIGEST}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://ci.example/builder"}}},
    } | members


def encoded(content: Any) -> str:
    """Base64 of the JSON of something."""
    return b64_encode(json.dumps(content).encode())


def envelope(content: Any, key: Any = KEY, **signature: Any) -> dict[str, Any]:
    """A DSSE envelope; ECDSA with SHA-256 unless the key is of Ed25519."""
    kind, body = "application/vnd.in-toto+json", json.dumps(content).encode()
    signed = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    algorithm = (ec.ECDSA(hashes.SHA256()),) if isinstance(key, ec.EllipticCurvePrivateKey) else ()
    made = {"keyid": "", "sig": b64_encode(key.sign(signed, *algorithm))} | signature
    return {"payloadType": kind, "payload": b64_encode(body), "signatures": [made]}


def message(payload: str, kind: str) -> dict[str, Any]:
    """An RVPS message."""
    return {"version": "0.1.0", "type": kind, "payload": payload}


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[str, ec.EllipticCurvePrivateKey] | None = None,
    *,
    authority: bool = False,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
    ends_at: datetime = NOW + timedelta(days=30),
) -> x509.Certificate:
    """A certificate by an issuer, or by its own key."""
    by, signing = issuer or (name, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(ends_at)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    usage: x509.ExtensionType = _CERT_SIGN if authority else x509.ExtendedKeyUsage([purpose])
    return builder.add_extension(usage, critical=authority).sign(signing, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    """Certificates as an envelope carries them."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_CERT_SIGN = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
