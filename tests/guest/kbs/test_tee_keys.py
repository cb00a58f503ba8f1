"""TEE key pairs."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from guest.errors import SealedResponseError
from guest.kbs.algorithms import TEE_KEY_ALGORITHMS
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.errors import WireError
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    """PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "text",
        pem_of(ed25519.Ed25519PrivateKey.generate()),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256K1())),
        pem_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505  (weak on purpose)
    ],
)
def test_refuses_other_keys(pem: str) -> None:
    """P-256, P-521, or RSA of at least 2048 bits."""
    with pytest.raises(WireError):
        TEEKeyPair.from_pem(pem)


def test_does_not_open_what_is_for_another_key() -> None:
    """Nor what is no sealed response at all."""
    one, other = TEEKeyPair.generate(), TEEKeyPair.generate()
    for response in (seal(b"x", one.public), {}, None, []):
        with pytest.raises(SealedResponseError):
            other.open(response)


@pytest.mark.parametrize(
    ("algorithm", "heading", "crv"),
    [
        ("ECDH-ES+A256KW-P256", "-----BEGIN PRIVATE KEY-----", "P-256"),
        ("ECDH-ES+A256KW-P521", "-----BEGIN PRIVATE KEY-----", "P-521"),
        ("RSA-OAEP-256", "-----BEGIN RSA PRIVATE KEY-----", None),
    ],
)
def test_each_algorithm_travels_as_pem_and_opens(
    algorithm: str, heading: str, crv: str | None
) -> None:
    """guest.md 2.4 and 4.3: EC in PKCS#8, RSA in PKCS#1."""
    pair = TEEKeyPair.generate(algorithm)
    assert pair.public.as_json().get("crv") == crv
    assert parse_tee_public_key(pair.public.as_json()) == pair.public
    pem = pair.to_pem()
    assert pem.startswith(heading)
    again = TEEKeyPair.from_pem(pem)
    assert again.public == pair.public
    assert again.open(seal(b"secret", pair.public)) == b"secret"


def test_each_pair_is_fresh_and_keeps_its_secret() -> None:
    """No two are alike, and the private key shows nowhere."""
    one, other = TEEKeyPair.generate(), TEEKeyPair.generate()
    assert one.public != other.public
    assert "private" not in repr(one).lower()
    assert len(TEE_KEY_ALGORITHMS) == 3
