"""The two ciphers of sealed secrets and key packets (guest.md, sections 7.3 and 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guest.errors import NotDecryptedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

A256GCM = "A256GCM"
A256CTR = "A256CTR"

KEY_BYTES = 32
GCM_IV_BYTES = 12
# By wrap type. CTR's is the whole first counter block.
IV_BYTES = {A256GCM: GCM_IV_BYTES, A256CTR: 16}


def encrypt(key: bytes | bytearray, data: bytes, iv: bytes, wrap_type: str) -> bytes:
    """Encrypt once under a key and an IV that are never used together again.

    Args:
        key: 32 bytes.
        data: what to encrypt.
        iv: 12 bytes for ``A256GCM``, 16 for ``A256CTR``.
        wrap_type: one of ``IV_BYTES``.

    Returns:
        The ciphertext; of GCM, with the tag of 16 bytes at its end.

    Raises:
        NotDecryptedError: key or IV have another length, or the cipher is unknown.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    _check(key, iv, wrap_type)
    if wrap_type == A256GCM:
        return AESGCM(key).encrypt(iv, data, None)
    context = _counter(key, iv).encryptor()
    return context.update(data) + context.finalize()


def decrypt(key: bytes | bytearray, data: bytes, iv: bytes, wrap_type: str) -> bytes:
    """The inverse of ``encrypt``. Only ``A256GCM`` notices another key or a change.

    Raises:
        NotDecryptedError: it does not open; key or IV have another length; unknown cipher.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    _check(key, iv, wrap_type)
    if wrap_type == A256CTR:
        context = _counter(key, iv).decryptor()
        return context.update(data) + context.finalize()
    try:
        return AESGCM(key).decrypt(iv, data, None)
    except InvalidTag as error:
        raise NotDecryptedError("it does not open under this key") from error


def _check(key: bytes | bytearray, iv: bytes, wrap_type: str) -> None:
    if wrap_type not in IV_BYTES:
        raise NotDecryptedError(f"the cipher is none of {', '.join(IV_BYTES)}")
    if len(key) != KEY_BYTES:
        raise NotDecryptedError(f"a key has {KEY_BYTES} bytes")
    if len(iv) != IV_BYTES[wrap_type]:
        raise NotDecryptedError(f"an IV of {wrap_type} has {IV_BYTES[wrap_type]} bytes")


def _counter(key: bytes | bytearray, iv: bytes) -> Cipher[modes.CTR]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES256(key), modes.CTR(iv))
