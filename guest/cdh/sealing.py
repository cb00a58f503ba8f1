"""The sealing side: what whoever prepares a pod makes of a secret (guest.md, section 7.3)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guest.cdh.ciphers import A256GCM, IV_BYTES, KEY_BYTES, encrypt
from guest.cdh.sealed_secrets import ENVELOPE, PREFIX, VAULT, VERSION
from guest.cdh.sealing_keys import ES256, verification_key_json
from guest.errors import ResourceURIError
from guest.kms.kbs import encrypt_data_key
from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.resource_uri import ResourceURI

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sealer:
    """Signs sealed secrets.

    Attributes:
        private_key: on P-256.
        key_id: under which guests find the public key: a resource URI, or the name of a file.
    """

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_id: str

    def seal_vault(self, uri: str) -> str:
        """A sealed secret that names a resource.

        Raises:
            ResourceURIError: it is no resource URI.
        """
        return self._sign({"type": VAULT, "name": _checked(uri), "provider": "kbs"})

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
        data_key, iv = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(IV_BYTES[wrap_type])
        payload = {
            "type": ENVELOPE,
            "provider": "kbs",
            "key_id": _checked(kek_id),
            "encrypted_key": b64_encode(encrypt_data_key(data_key, kek)),
            "encrypted_data": b64_encode(encrypt(data_key, plaintext, iv, wrap_type)),
            "wrap_type": wrap_type,
            "iv": b64_encode(iv),
        }
        return self._sign(payload)

    def _sign(self, payload: JSONObject) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        whole = {"version": VERSION, **payload, "provider_settings": {}, "annotations": {}}
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


def _checked(uri: str) -> str:
    try:
        return str(ResourceURI.parse(uri))
    except WireError as error:
        raise ResourceURIError(str(error)) from error


def _encoded(value: JSONObject) -> str:
    return b64url_encode(json.dumps(value, separators=(",", ":")).encode("ascii"))
