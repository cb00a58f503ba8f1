"""The KBS as a key management service."""

from __future__ import annotations

import pytest

from guest.errors import NotDecryptedError
from guest.kms.kbs import encrypt_data_key, open_kms
from guest.kms.ports import KMSOptions

KEK = bytes(range(32))


@pytest.mark.parametrize("ciphertext", [b"", bytes(11), bytes(12), bytes(27), bytes(60)])
def test_refuses_what_was_not_encrypted_here(ciphertext: bytes) -> None:
    """Also what is too short to hold an IV and a tag."""
    kms = open_kms(KMSOptions(lambda _: KEK))
    with pytest.raises(NotDecryptedError):
        kms.decrypt(ciphertext, "kbs:///a/b/c", {})


def test_decrypts_what_was_encrypted() -> None:
    """A 12-byte IV, then the data key and its tag."""
    keys = {"kbs:///a/b/c": KEK}
    kms = open_kms(KMSOptions(keys.__getitem__))
    ciphertext = encrypt_data_key(b"d" * 32, KEK)
    assert len(ciphertext) == 12 + 32 + 16
    assert kms.decrypt(ciphertext, "kbs:///a/b/c", {}) == b"d" * 32


def test_a_secret_is_a_resource() -> None:
    """As it is."""
    assert open_kms(KMSOptions(str.encode)).get_secret("kbs:///a/b/c", {}) == b"kbs:///a/b/c"
