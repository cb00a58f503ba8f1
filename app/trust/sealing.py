"""Envelope encryption: what rests in the database is sealed under a key that does not rest there.

Each sealed value has a data key of its own (AES-256-GCM); the data key is wrapped under a
key-encryption key (RFC 3394). Rotating the key-encryption key rewraps data keys and leaves the
values as they are. Layout of a sealed value, lengths in bytes::

    1 format (0x01) | 8 key id | 40 wrapped data key | 12 nonce | n + 16 ciphertext and tag
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from app.trust.errors import SealingError

KEY_BYTES = 32
_FORMAT = b"\x01"
_KEY_ID_BYTES = 8
_WRAPPED_BYTES = KEY_BYTES + 8
_NONCE_BYTES = 12
_HEADER_BYTES = len(_FORMAT) + _KEY_ID_BYTES + _WRAPPED_BYTES + _NONCE_BYTES


class KeyEncryptionKey:
    """A 256-bit key that wraps data keys, known by an id derived from it."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key: bytes) -> None:
        """Take the 32 raw bytes of a key."""
        if len(key) != KEY_BYTES:
            raise SealingError(f"a key-encryption key has {KEY_BYTES} bytes, this one {len(key)}")
        self._key = key
        self.key_id = hashlib.sha256(b"vouchgate kek id" + key).digest()[:_KEY_ID_BYTES]

    def __repr__(self) -> str:
        """The id alone: the key never shows."""
        return f"KeyEncryptionKey({self.key_id.hex()})"

    def wrap(self, data_key: bytes) -> bytes:
        """The data key, wrapped: 40 bytes."""
        return aes_key_wrap(self._key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The 32-byte data key.

        Raises:
            SealingError: it was wrapped under another key, or tampered with.
        """
        try:
            return aes_key_unwrap(self._key, wrapped)
        except InvalidUnwrap as error:
            raise SealingError("a data key does not unwrap") from error


class Sealer:
    """Seals under the first of its keys, opens what any of them sealed."""

    def __init__(self, keys: Sequence[KeyEncryptionKey]) -> None:
        """Take the current key first, then those that older values may be sealed under."""
        if not keys:
            raise SealingError("sealing needs at least one key-encryption key")
        self._current = keys[0]
        self._keys = {key.key_id: key for key in keys}

    @property
    def current_key_id(self) -> str:
        """The id of the key that seals, 16 hex digits."""
        return self._current.key_id.hex()

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """Seal bytes so that they open only together with the same associated data."""
        data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b"".join(
            (
                _FORMAT,
                self._current.key_id,
                self._current.wrap(data_key),
                nonce,
                AESGCM(data_key).encrypt(nonce, plaintext, associated),
            )
        )

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """The plaintext.

        Raises:
            SealingError: the key is not here, the associated data differ, or it was tampered with.
        """
        key_id, wrapped, nonce, ciphertext = _split(sealed)
        data_key = self._key(key_id).unwrap(wrapped)
        try:
            return AESGCM(data_key).decrypt(nonce, ciphertext, associated)
        except InvalidTag as error:
            raise SealingError("a sealed value does not open") from error

    def rewrap(self, sealed: bytes) -> bytes:
        """The same value with its data key wrapped under the current key; nothing is decrypted.

        Raises:
            SealingError: the key it was sealed under is not here.
        """
        key_id, wrapped, _, _ = _split(sealed)
        if key_id == self._current.key_id:
            return sealed
        rewrapped = self._current.wrap(self._key(key_id).unwrap(wrapped))
        return _FORMAT + self._current.key_id + rewrapped + sealed[_HEADER_BYTES - _NONCE_BYTES :]

    def _key(self, key_id: bytes) -> KeyEncryptionKey:
        try:
            return self._keys[key_id]
        except KeyError as error:
            message = f"the key-encryption key {key_id.hex()} is not among the configured ones"
            raise SealingError(message) from error


def _split(sealed: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if len(sealed) < _HEADER_BYTES or sealed[:1] != _FORMAT:
        raise SealingError("a sealed value is not of a known format")
    key_id_end = 1 + _KEY_ID_BYTES
    wrapped_end = key_id_end + _WRAPPED_BYTES
    return (
        sealed[1:key_id_end],
        sealed[key_id_end:wrapped_end],
        sealed[wrapped_end:_HEADER_BYTES],
        sealed[_HEADER_BYTES:],
    )
