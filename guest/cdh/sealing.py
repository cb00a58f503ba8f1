"""The sealing side: what whoever prepares a pod makes of a secret (guest.md, section 7.3)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from guest.cdh.ciphers import A256GCM, IV_BYTES, KEY_BYTES, encrypt
from guest.cdh.sealed_secrets import ENVELOPE, PREFIX, VAULT, VERSION
from guest.cdh.sealing_keys import ES256, verification_key_json
from guest.errors import ResourceURIError
from guest.kms.kbs import encrypt_data_key
from guest.kms.ports import Encrypter
from guest.kms.wiping import wiping
from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.resource_uri import ResourceURI

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

KBS = "kbs"

_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Terms:
    """What a sealed secret tells the guest about the provider of its key, or of itself.

    Attributes:
        provider: name of the driver.
        settings: ``provider_settings``, which the driver is opened with.
        annotations: what the driver is given with the ciphertext, or with the name.
    """

    provider: str = KBS
    settings: JSONObject = field(default_factory=dict)
    annotations: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealer:
    """Signs sealed secrets.

    Attributes:
        private_key: on P-256.
        key_id: under which guests find the public key: a resource URI, or the name of a file.
    """

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_id: str

    def seal_vault(self, name: str, terms: Terms | None = None) -> str:
        """A sealed secret that names a secret which a provider keeps.

        Args:
            name: resource URI, or what another provider calls it.
            terms: of the provider; the KBS's when ``None``.

        Raises:
            ResourceURIError: it is to be a resource URI, and is none.
        """
        terms = terms or Terms()
        checked = _checked(name) if terms.provider == KBS else name
        return self._sign({"type": VAULT, "name": checked}, terms)

    def seal_envelope(
        self, plaintext: bytes, kek_id: str, kek: bytes, wrap_type: str = A256GCM
    ) -> str:
        """A sealed secret that holds its plaintext, under a fresh data key.

        Args:
            plaintext: to seal.
            kek_id: resource URI of the key that guests fetch.
            kek: that key, 32 bytes.
            wrap_type: ``A256GCM`` or ``A256CTR``.

        Raises:
            ResourceURIError: ``kek_id`` is no resource URI.
            NotDecryptedError: the key has not 32 bytes, or the cipher is unknown.
        """
        key_id = _checked(kek_id)
        with wiping(bytearray(secrets.token_bytes(KEY_BYTES))) as data_key:
            encrypted_key = encrypt_data_key(bytes(data_key), kek)
            payload = _envelope(key_id, encrypted_key, data_key, plaintext, wrap_type)
        return self._sign(payload, Terms())

    def seal_with(
        self, kms: Encrypter, plaintext: bytes, key_id: str, terms: Terms, wrap_type: str = A256GCM
    ) -> str:
        """The same, with the data key encrypted by a key management service.

        Args:
            kms: which encrypts; opened with the settings of ``terms``.
            plaintext: to seal.
            key_id: of the key, as the service names it.
            terms: of the service; its annotations are what the service is to bind.
            wrap_type: ``A256GCM`` or ``A256CTR``.

        Raises:
            NotDecryptedError: the cipher is unknown.
            GuestError: the service did not encrypt.
        """
        with wiping(bytearray(secrets.token_bytes(KEY_BYTES))) as data_key:
            wrapped = kms.encrypt(bytes(data_key), key_id, terms.annotations)
            payload = _envelope(key_id, wrapped.ciphertext, data_key, plaintext, wrap_type)
        return self._sign(payload, replace(terms, annotations=wrapped.annotations))

    def _sign(self, payload: JSONObject, terms: Terms) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        whole = {
            "version": VERSION,
            **payload,
            "provider": terms.provider,
            "provider_settings": terms.settings,
            "annotations": terms.annotations,
        }
        signed = f"{_encoded({'alg': ES256, 'kid': self.key_id})}.{_encoded(whole)}"
        der = self.private_key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
        numbers = utils.decode_dss_signature(der)
        raw = b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in numbers)
        return f"{PREFIX}{signed}.{b64url_encode(raw)}"


def load_sealing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """A private P-256 key.

    Raises:
        WireError: the PEM holds another thing, or is encrypted.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise WireError("the PEM holds no private key that can be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise WireError("a sealing key is on P-256")
    return key


def public_jwk(key: ec.EllipticCurvePrivateKey) -> str:
    """What guests verify with, to be stored under the key id: one line of JSON."""
    return json.dumps(verification_key_json(key.public_key()), separators=(",", ":"))


def _envelope(
    key_id: str, encrypted_key: bytes, data_key: bytearray, plaintext: bytes, wrap_type: str
) -> JSONObject:
    iv = secrets.token_bytes(IV_BYTES[wrap_type])
    return {
        "type": ENVELOPE,
        "key_id": key_id,
        "encrypted_key": b64_encode(encrypted_key),
        "encrypted_data": b64_encode(encrypt(data_key, plaintext, iv, wrap_type)),
        "wrap_type": wrap_type,
        "iv": b64_encode(iv),
    }


def _checked(uri: str) -> str:
    try:
        return str(ResourceURI.parse(uri))
    except WireError as error:
        raise ResourceURIError(str(error)) from error


def _encoded(value: JSONObject) -> str:
    return b64url_encode(json.dumps(value, separators=(",", ":")).encode("ascii"))
