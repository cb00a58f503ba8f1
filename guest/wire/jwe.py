"""The sealed response: JWE in flattened JSON (RFC 7516; RFC 7518, section 4; wire.md, section 3).

Content is always ``A256GCM`` with a fresh 32-byte key, a 12-byte IV and a 16-byte tag. Guests in
the field decode the protected header and serialise it again to get the associated data, so its
bytes are fixed: compact JSON, ``alg``, ``enc``, then the one member of the algorithm.
"""

from __future__ import annotations

import json
import secrets
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guest.wire import jwe_algorithms as algorithms
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.jwe_algorithms import UnsupportedKeyError, WrappedKey
from guest.wire.jwk import AKPPublicJWK, ECPublicJWK, RSAPublicJWK, TEEPublicKey
from guest.wire.members import object_value, text_member
from guest.wire.strict_json import parse_json_object

__all__ = ["DEFAULT_ALGORITHMS", "TEEPrivateKey", "UnsupportedKeyError", "open_sealed", "seal"]

DEFAULT_ALGORITHMS = frozenset({algorithms.ECDH_ES, algorithms.RSA_OAEP})
CONTENT_ENCRYPTION = "A256GCM"
CONTENT_KEY_BYTES = 32
IV_BYTES = 12
TAG_BYTES = 16

TEEPrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | MLKEM768PrivateKey

_HEADER_LIMIT = 4096
_KEY_LIMIT = 1024
_CONTENT_LIMIT = 64 * 1024 * 1024
_MEMBERS = frozenset({"protected", "encrypted_key", "iv", "ciphertext", "tag"})


def seal(
    plaintext: bytes, key: TEEPublicKey, *, allowed: frozenset[str] = DEFAULT_ALGORITHMS
) -> dict[str, str]:
    """Seal bytes to a TEE key.

    Args:
        plaintext: the secret; may be empty.
        key: the TEE's public key, whose ``alg`` chooses how the content key is wrapped.
        allowed: the algorithms that may be used. ``RSA1_5`` and ``ML-KEM-768+A192KW`` are opt-in.

    Returns:
        The members ``protected``, ``encrypted_key``, ``iv``, ``ciphertext`` and ``tag``, each
        base64url without padding.

    Raises:
        UnsupportedKeyError: the key's algorithm is not allowed, or does not fit its type or curve.
        WireError: the key is malformed.
    """
    if key.alg not in allowed:
        raise UnsupportedKeyError("the TEE key's algorithm is not enabled")
    content_key = secrets.token_bytes(CONTENT_KEY_BYTES)
    wrapped = _wrap(content_key, key)
    header = {"alg": key.alg, "enc": CONTENT_ENCRYPTION, **wrapped.header}
    protected = b64url_encode(json.dumps(header, separators=(",", ":")).encode("ascii"))
    iv = secrets.token_bytes(IV_BYTES)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode("ascii"))
    return {
        "protected": protected,
        "encrypted_key": b64url_encode(wrapped.encrypted_key),
        "iv": b64url_encode(iv),
        "ciphertext": b64url_encode(sealed[:-TAG_BYTES]),
        "tag": b64url_encode(sealed[-TAG_BYTES:]),
    }


def open_sealed(jwe: JSONValue, private_key: TEEPrivateKey) -> bytes:
    """Open what was sealed to this key.

    The associated data is the ``protected`` text as it was received.

    Raises:
        WireError: another shape, another algorithm than the key is for, a length that cannot be, an
            ephemeral key off the curve, or it was not sealed to this key or was changed since.
    """
    members = object_value(jwe, "the sealed response")
    # Upstream's type has ``aad`` too; it is never emitted, and a null says the same.
    if any(members[name] is not None for name in members.keys() - _MEMBERS):
        raise WireError("the sealed response has not the members of the protocol")
    protected = text_member(members, "protected", limit=_HEADER_LIMIT)
    header = _header(protected)
    encrypted_key = b64url_decode(text_member(members, "encrypted_key", limit=_KEY_LIMIT))
    iv = _exactly(members, "iv", IV_BYTES)
    tag = _exactly(members, "tag", TAG_BYTES)
    ciphertext = b64url_decode(text_member(members, "ciphertext", limit=_CONTENT_LIMIT))
    content_key = _unwrap(header, encrypted_key, private_key)
    if len(content_key) != CONTENT_KEY_BYTES:
        raise WireError("the content key of the sealed response has the wrong length")
    try:
        return AESGCM(content_key).decrypt(iv, ciphertext + tag, protected.encode("ascii"))
    except InvalidTag as error:
        raise WireError(algorithms.DOES_NOT_OPEN) from error


def _wrap(content_key: bytes, key: TEEPublicKey) -> WrappedKey:
    if isinstance(key, ECPublicJWK) and key.alg == algorithms.ECDH_ES:
        return algorithms.wrap_ecdh_es(content_key, key)
    if isinstance(key, RSAPublicJWK) and key.alg == algorithms.RSA_OAEP:
        return algorithms.wrap_rsa_oaep(content_key, key)
    if isinstance(key, RSAPublicJWK) and key.alg == algorithms.RSA1_5:
        return algorithms.wrap_rsa1_5(content_key, key)
    if isinstance(key, AKPPublicJWK) and key.alg == algorithms.ML_KEM:
        return algorithms.wrap_ml_kem(content_key, key)
    raise UnsupportedKeyError("the TEE key's algorithm does not fit its type")


def _unwrap(header: JSONObject, encrypted_key: bytes, key: TEEPrivateKey) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        _check_header(header, algorithms.ECDH_ES, "epk")
        return algorithms.unwrap_ecdh_es(encrypted_key, header["epk"], key)
    if isinstance(key, rsa.RSAPrivateKey):
        _check_header(header, algorithms.RSA_OAEP)
        return algorithms.unwrap_rsa_oaep(encrypted_key, key)
    _check_header(header, algorithms.ML_KEM, "ek")
    return algorithms.unwrap_ml_kem(encrypted_key, header["ek"], key)


def _header(protected: str) -> JSONObject:
    try:
        return parse_json_object(b64url_decode(protected))
    except WireError as error:
        raise WireError("the protected header is not base64url of a JSON object") from error


def _check_header(header: JSONObject, algorithm: str, *members: str) -> None:
    if header.get("alg") != algorithm or header.get("enc") != CONTENT_ENCRYPTION:
        raise WireError("the response is sealed with another algorithm than this key is for")
    if header.keys() != {"alg", "enc", *members}:
        raise WireError("the protected header has not the members of its algorithm")


def _exactly(members: JSONObject, name: str, size: int) -> bytes:
    value = b64url_decode(text_member(members, name, limit=2 * size))
    if len(value) != size:
        raise WireError(f"the member {name} has not {size} bytes")
    return value
