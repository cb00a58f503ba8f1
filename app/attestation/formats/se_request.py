"""The attestation request of IBM Secure Execution: a block that only the firmware can open.

Source: the request format of IBM's s390-tools (``pvattest``). All integers are big endian. The keys
in it are made for one request and forgotten; host keys are on P-521, which IBM writes as x then y
of 80 bytes each.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.attestation.formats.se_attestation import MEASUREMENT_BYTES, NONCE_BYTES

MAX_HOST_KEYS = 64

_VERSION = 0x0100
_IV_BYTES = 12
_PROTECTION_KEY_BYTES = 32
_TAG_BYTES = 16
_COORDINATE_BYTES = 80
_SLOT_BYTES = 80
_SEALED_BYTES = MEASUREMENT_BYTES + NONCE_BYTES
_HEADER_BYTES = 48
_AUTHENTICATED_BYTES = 16 + 2 * _COORDINATE_BYTES
# The request has a nonce, and asks for the host key hashes of image and attestation.
_FLAGS = 0x7000000000000000
_HMAC_SHA512 = 1
# Of the one key that is derived from a shared secret (ANSI X9.63).
_FIRST_KEY = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class MeasurementSecrets:
    """What the firmware is told with a request, and nobody else.

    Attributes:
        key: of HMAC-SHA512, 64 bytes.
        nonce: 16 bytes.
    """

    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> MeasurementSecrets:
        """Fresh ones."""
        return cls(secrets.token_bytes(MEASUREMENT_BYTES), secrets.token_bytes(NONCE_BYTES))


def request_block(
    host_keys: Sequence[ec.EllipticCurvePublicKey], sealed: MeasurementSecrets
) -> bytes:
    """A request that a machine with one of these host keys can open.

    Args:
        host_keys: 1 to 64 keys on P-521.
        sealed: what it tells.
    """
    assert 1 <= len(host_keys) <= MAX_HOST_KEYS, "the operator's host keys were counted"
    customer = ec.generate_private_key(ec.SECP521R1())
    protection_key = secrets.token_bytes(_PROTECTION_KEY_BYTES)
    iv = secrets.token_bytes(_IV_BYTES)
    authenticated = b"".join(
        (
            _header(iv, len(host_keys)),
            _FLAGS.to_bytes(8, "big"),
            _HMAC_SHA512.to_bytes(4, "big"),
            bytes(4),
            coordinates(customer.public_key()),
            *(_slot(customer, each, protection_key) for each in host_keys),
        )
    )
    return authenticated + AESGCM(protection_key).encrypt(
        iv, sealed.key + sealed.nonce, authenticated
    )


def coordinates(key: ec.EllipticCurvePublicKey) -> bytes:
    """The numbers x, then y, of a key on P-521: 160 bytes."""
    numbers = key.public_numbers()
    return b"".join(each.to_bytes(_COORDINATE_BYTES, "big") for each in (numbers.x, numbers.y))


def host_key_hash(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 over the coordinates: how a machine knows its slot."""
    return hashlib.sha256(coordinates(key)).digest()


def slot_key(own: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePublicKey) -> bytes:
    """The key of a slot, the same for customer and host: 32 bytes."""
    return hashlib.sha256(own.exchange(ec.ECDH(), other) + _FIRST_KEY).digest()


def _header(iv: bytes, slots: int) -> bytes:
    total = _HEADER_BYTES + _AUTHENTICATED_BYTES + slots * _SLOT_BYTES + _SEALED_BYTES + _TAG_BYTES
    return b"".join(
        (
            bytes(8),
            _VERSION.to_bytes(4, "big"),
            total.to_bytes(4, "big"),
            iv,
            bytes(4 + 7),
            slots.to_bytes(1, "big"),
            bytes(4),
            _SEALED_BYTES.to_bytes(4, "big"),
        )
    )


def _slot(
    customer: ec.EllipticCurvePrivateKey,
    host_key: ec.EllipticCurvePublicKey,
    protection_key: bytes,
) -> bytes:
    """Hash of the host key, and the protection key wrapped for it.

    The IV is zero: the wrapping key is made from a customer key of this one request.
    """
    wrapped = AESGCM(slot_key(customer, host_key)).encrypt(bytes(_IV_BYTES), protection_key, None)
    return host_key_hash(host_key) + wrapped
