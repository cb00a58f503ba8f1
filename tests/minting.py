"""Token issuers of the tests: they sign anything, rightly or wrongly."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fakes import NOON
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from guest.wire.encoding import b64url_encode
from guest.wire.jwk import ECPublicJWK, parse_tee_public_key

LIFE = timedelta(minutes=5)


def tee_key() -> tuple[ec.EllipticCurvePrivateKey, ECPublicJWK]:
    """A fresh P-256 key pair of a TEE."""
    private = ec.generate_private_key(ec.SECP256R1())
    members = ECKey.import_key(private.public_key()).as_dict(private=False)
    public = parse_tee_public_key({**members, "alg": "ECDH-ES+A256KW"})
    assert isinstance(public, ECPublicJWK)
    return private, public


def ear_claims(key: dict[str, str] | None, nonce: str = "the nonce", **more: Any) -> dict[str, Any]:
    """The claims of an EAR, good for five minutes from noon."""
    runtime_data = {"nonce": nonce, "additional-evidence": ""}
    if key is not None:
        runtime_data["tee-pubkey"] = key
    return {
        "iss": "https://as.example",
        "jti": "token-1",
        "iat": int(NOON.timestamp()),
        "nbf": int(NOON.timestamp()),
        "exp": int((NOON + LIFE).timestamp()),
        "eat_nonce": nonce,
        "submods": {
            "cpu0": {
                "ear.status": "affirming",
                "ear.veraison.annotated-evidence": {
                    "sample": {"svn": "1"},
                    "runtime_data_claims": runtime_data,
                },
            }
        },
        **more,
    }


@dataclass
class Mint:
    """Signs with one key.

    Attributes:
        key: private.
        algorithm: that it signs with.
        header: members that every token gets.
    """

    key: ECKey | RSAKey | OKPKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    algorithm: str = "ES256"
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def key_id(self) -> str:
        """The thumbprint of the key."""
        return self.key.thumbprint()

    def jwk(self, **more: Any) -> dict[str, Any]:
        """The public key, with its ``kid``."""
        return {**self.key.as_dict(private=False), "kid": self.key_id, **more}

    def sign(self, claims: Any, **header: Any) -> str:
        """A compact JWS; a member of the header that is ``None`` is left out."""
        members = {"typ": "JWT", "alg": self.algorithm, "kid": self.key_id, **self.header, **header}
        kept = {name: value for name, value in members.items() if value is not None}
        signing_input = f"{segment(kept)}.{segment(claims)}"
        model = JWSRegistry.algorithms[self.algorithm]
        return f"{signing_input}.{b64url_encode(model.sign(signing_input.encode(), self.key))}"


def segment(value: Any) -> str:
    """JSON as a segment of a compact JWS."""
    return b64url_encode(json.dumps(value).encode())


@dataclass
class Authority:
    """A certificate authority that can do everything wrong."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str = "root", *, above: Authority | None = None, **how: Any) -> Authority:
        """A root, or an authority under another one."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, _certify(key.public_key(), name, above, key, ca=True, **how))

    def vouch(self, mint: Mint, **how: Any) -> x509.Certificate:
        """A leaf certificate for a mint's key."""
        how = {"ca": False, **how}
        return _certify(mint.key.public_key, "signer", self, self.key, **how)


def x5c(*certificates: x509.Certificate) -> list[str]:
    """Certificates as a JWK has them."""
    return [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]


def _certify(
    public: Any,
    name: str,
    above: Authority | None,
    own_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    path_length: int | None = None,
    not_before: datetime = NOON - timedelta(days=1),
    not_after: datetime = NOON + timedelta(days=1),
    usage: x509.KeyUsage | None = None,
    critical: x509.ExtensionType | None = None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    return builder.sign(above.key if above else own_key, hashes.SHA256())
