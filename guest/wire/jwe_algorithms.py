"""How the content key of a sealed response is wrapped, one pair of functions for each algorithm.

Sources: RFC 7518 sections 4.2, 4.3 and 4.6; draft-ietf-jose-pqc-kem-05; wire.md 3.2 and 3.3.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.jwk import (
    ML_KEM_768_ALGORITHM,
    AKPPublicJWK,
    ECPublicJWK,
    RSAPublicJWK,
    load_point,
    point_members,
)
from guest.wire.members import object_value, text_member

ECDH_ES = "ECDH-ES+A256KW"
RSA_OAEP = "RSA-OAEP-256"
RSA1_5 = "RSA1_5"
ML_KEM = ML_KEM_768_ALGORITHM

# One message for every way in which opening can fail under the key itself: which step failed is
# nothing the sender may learn.
DOES_NOT_OPEN = "the sealed response does not open under this key"

WRAPPED_KEY_BYTES = 40
ML_KEM_768_CIPHERTEXT_BYTES = 1088

# P-384 is no curve of the protocol, though it is a well-formed key.
_ECDH_CURVES = ("P-256", "P-521")
_OAEP = padding.OAEP(
    mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None
)


class UnsupportedKeyError(WireError):
    """A well-formed TEE key to which nothing can be sealed here."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped content key and the header members its reader needs beside ``alg`` and ``enc``."""

    encrypted_key: bytes
    header: JSONObject


def wrap_ecdh_es(content_key: bytes, key: ECPublicJWK) -> WrappedKey:
    """ECDH-ES with a fresh ephemeral key, then AES-256 key wrap.

    Raises:
        UnsupportedKeyError: the key is on another curve than P-256 or P-521.
        WireError: the key is malformed.
    """
    if key.crv not in _ECDH_CURVES:
        raise UnsupportedKeyError(f"responses are sealed to keys on {' or '.join(_ECDH_CURVES)}")
    public_key = key.public_key()
    ephemeral = ec.generate_private_key(public_key.curve)
    crv, x, y = point_members(ephemeral.public_key())
    wrapping_key = concat_kdf(ephemeral.exchange(ec.ECDH(), public_key))
    epk = {"crv": crv, "kty": "EC", "x": x, "y": y}
    return WrappedKey(keywrap.aes_key_wrap(wrapping_key, content_key), {"epk": epk})


def unwrap_ecdh_es(
    encrypted_key: bytes, epk: JSONValue, private_key: ec.EllipticCurvePrivateKey
) -> bytes:
    """The content key.

    Raises:
        WireError: ``epk`` is no point on the curve of the key, or the wrapped key is not for it.
    """
    members = object_value(epk, "epk")
    crv, x, y = (text_member(members, name, limit=128) for name in ("crv", "x", "y"))
    own_crv, _, _ = point_members(private_key.public_key())
    if members.keys() != {"crv", "kty", "x", "y"} or members["kty"] != "EC" or crv != own_crv:
        raise WireError("the ephemeral key is not a point on the curve of this key")
    shared = private_key.exchange(ec.ECDH(), load_point(crv, x, y))
    return _unwrap_key(concat_kdf(shared), encrypted_key)


def concat_kdf(shared_secret: bytes) -> bytes:
    """The wrapping key of ECDH-ES+A256KW: Concat KDF, SHA-256, one round, no party info.

    Args:
        shared_secret: the x coordinate in the full length of the field.
    """
    algorithm = ECDH_ES.encode("ascii")
    other_info = _u32(len(algorithm)) + algorithm + _u32(0) + _u32(0) + _u32(256)
    return hashlib.sha256(_u32(1) + shared_secret + other_info).digest()


def wrap_rsa_oaep(content_key: bytes, key: RSAPublicJWK) -> WrappedKey:
    """RSAES-OAEP with SHA-256, MGF1 with SHA-256 and the empty label.

    Raises:
        WireError: the key is malformed.
    """
    return WrappedKey(key.public_key().encrypt(content_key, _OAEP), {})


def unwrap_rsa_oaep(encrypted_key: bytes, private_key: rsa.RSAPrivateKey) -> bytes:
    """The content key.

    Raises:
        WireError: the wrapped key is not for this key.
    """
    try:
        return private_key.decrypt(encrypted_key, _OAEP)
    except ValueError as error:
        raise WireError(DOES_NOT_OPEN) from error


def wrap_rsa1_5(content_key: bytes, key: RSAPublicJWK) -> WrappedKey:
    """RSAES-PKCS1-v1_5, for very old guests; there is no opener for it here.

    Raises:
        WireError: the key is malformed.
    """
    return WrappedKey(key.public_key().encrypt(content_key, padding.PKCS1v15()), {})


def wrap_ml_kem(content_key: bytes, key: AKPPublicJWK) -> WrappedKey:
    """ML-KEM-768 encapsulation, then AES-192 key wrap under KMAC256 of the shared secret.

    Raises:
        UnsupportedKeyError: the extra ``pqc`` or the library's support is missing.
        WireError: the key is malformed.
    """
    try:
        public_key = MLKEM768PublicKey.from_public_bytes(key.raw())
    except UnsupportedAlgorithm as error:
        raise UnsupportedKeyError("this build of cryptography has no ML-KEM-768") from error
    except ValueError as error:
        raise WireError("the bytes make no ML-KEM-768 key") from error
    shared_secret, ciphertext = public_key.encapsulate()
    wrapping_key = kmac_kdf(shared_secret)
    header = {"ek": b64url_encode(ciphertext)}
    return WrappedKey(keywrap.aes_key_wrap(wrapping_key, content_key), header)


def unwrap_ml_kem(encrypted_key: bytes, ek: JSONValue, private_key: MLKEM768PrivateKey) -> bytes:
    """The content key.

    Raises:
        UnsupportedKeyError: the extra ``pqc`` is missing.
        WireError: ``ek`` is no ciphertext of ML-KEM-768, or the wrapped key is not for this key.
    """
    ciphertext = b64url_decode(text_member({"ek": ek}, "ek", limit=2048))
    if len(ciphertext) != ML_KEM_768_CIPHERTEXT_BYTES:
        raise WireError(f"ek has not {ML_KEM_768_CIPHERTEXT_BYTES} bytes")
    return _unwrap_key(kmac_kdf(private_key.decapsulate(ciphertext)), encrypted_key)


def kmac_kdf(shared_secret: bytes) -> bytes:
    """The 24-byte wrapping key of ML-KEM-768+A192KW: KMAC256 without customisation.

    Raises:
        UnsupportedKeyError: pycryptodome, the extra ``pqc``, is not installed.
    """
    try:
        kmac256 = importlib.import_module("Crypto.Hash.KMAC256")
    except ImportError as error:
        raise UnsupportedKeyError(f"{ML_KEM} needs the extra vouchgate-guest[pqc]") from error
    algorithm = ML_KEM.encode("ascii")
    data = _u32(len(algorithm)) + algorithm + _u32(192)
    return bytes(kmac256.new(key=shared_secret, data=data, mac_len=24).digest())


def _unwrap_key(wrapping_key: bytes, encrypted_key: bytes) -> bytes:
    if len(encrypted_key) != WRAPPED_KEY_BYTES:
        raise WireError(f"the wrapped content key has not {WRAPPED_KEY_BYTES} bytes")
    try:
        return keywrap.aes_key_unwrap(wrapping_key, encrypted_key)
    except keywrap.InvalidUnwrap as error:
        raise WireError(DOES_NOT_OPEN) from error


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")
