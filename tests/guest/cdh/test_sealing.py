"""The sealing side: what users make, guests open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jws
from joserfc.jwk import ECKey

from guest.cdh.sealed_secrets import Unsealer
from guest.cdh.sealing import Sealer, load_sealing_key, public_jwk
from guest.cdh.sealing_keys import SealingKeys
from guest.errors import NotDecryptedError, ResourceURIError
from guest.wire.errors import WireError

KID = "kbs:///default/sealing/key"
KEK_ID = "kbs:///default/kek/1"
KEK = bytes(range(32))


def pem(key: Any, password: bytes | None = None) -> bytes:
    """A private key as a file has it."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
    ],
)
def test_refuses_other_sealing_keys(text: bytes) -> None:
    """Another kind, or one that needs a password."""
    with pytest.raises(WireError):
        load_sealing_key(text)


@pytest.mark.parametrize("uri", ["", "app/db/password", "kbs://", "http://x/a/b/c"])
def test_refuses_what_no_guest_could_fetch(signing_key: Any, uri: str) -> None:
    """Where it is sealed, not where it is opened."""
    sealer = Sealer(signing_key, KID)
    with pytest.raises(ResourceURIError):
        sealer.seal_vault(uri)
    with pytest.raises(ResourceURIError):
        sealer.seal_envelope(b"secret", uri, KEK)


def test_refuses_a_short_kek(signing_key: Any) -> None:
    """Thirty-two bytes."""
    with pytest.raises(NotDecryptedError):
        Sealer(signing_key, KID).seal_envelope(b"secret", KEK_ID, KEK[:16])


def test_another_library_verifies(signing_key: Any) -> None:
    """What is after the prefix is a JWS, with the header and the payload of the format."""
    text = Sealer(load_sealing_key(pem(signing_key)), KID).seal_vault("kbs:///app1/db/password")
    key = ECKey.import_key(json.loads(public_jwk(signing_key)))
    verified = jws.deserialize_compact(text.removeprefix("sealed."), key)
    assert verified.headers() == {"alg": "ES256", "kid": KID}
    assert json.loads(verified.payload) == {
        "version": "0.1.0",
        "type": "vault",
        "name": "kbs:///app1/db/password",
        "provider": "kbs",
        "provider_settings": {},
        "annotations": {},
    }


@pytest.mark.parametrize("wrap_type", ["A256GCM", "A256CTR"])
def test_guests_open_an_envelope(resources: Any, signing_key: Any, wrap_type: str) -> None:
    """With the key that users have in a file and the KBS in its store."""
    resources.held |= {KID: public_jwk(signing_key).encode(), KEK_ID: KEK}
    sealer = Sealer(signing_key, KID)
    sealed = [sealer.seal_envelope(b"secret", KEK_ID, KEK, wrap_type) for _ in range(2)]
    keys = SealingKeys(resources, Path("/nonexistent"), frozenset({KID}))
    opened = [Unsealer(resources, keys).unseal_secret(text) for text in sealed]
    assert opened == [b"secret"] * 2
    assert sealed[0] != sealed[1]


def test_the_private_key_does_not_show(signing_key: Any) -> None:
    """Neither in the public key nor in a repr."""
    assert "d" not in json.loads(public_jwk(signing_key))
    assert "private_key" not in repr(Sealer(signing_key, KID))
