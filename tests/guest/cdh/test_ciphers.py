"""The ciphers of sealed secrets and key packets."""

from __future__ import annotations

import pytest

from guest.cdh.ciphers import A256CTR, A256GCM, decrypt, encrypt
from guest.errors import NotDecryptedError

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("key", "iv", "wrap_type"),
    [
        (KEY[:31], bytes(12), A256GCM),
        (KEY[:16], bytes(12), A256GCM),
        (b"", bytes(16), A256CTR),
        (KEY, bytes(16), A256GCM),
        (KEY, bytes(12), A256CTR),
        (KEY, b"", A256GCM),
        (KEY, bytes(12), "A128GCM"),
        (KEY, bytes(12), ""),
    ],
)
def test_refuses_other_lengths_and_ciphers(key: bytes, iv: bytes, wrap_type: str) -> None:
    """Both ways, before anything is computed."""
    for run in (encrypt, decrypt):
        with pytest.raises(NotDecryptedError):
            run(key, bytes(32), iv, wrap_type)


@pytest.mark.parametrize("data", [b"", bytes(15), bytes(16), bytes(40)])
def test_gcm_notices_what_it_did_not_make(data: bytes) -> None:
    """Also what is shorter than a tag."""
    with pytest.raises(NotDecryptedError):
        decrypt(KEY, data, bytes(12), A256GCM)


def test_gcm_agrees_with_its_specification() -> None:
    """Test case 13 of the GCM specification (McGrew, Viega): no text, the tag alone."""
    tag = bytes.fromhex("530f8afbc74536b9a963b4f1c4cb738b")
    assert encrypt(bytes(32), b"", bytes(12), A256GCM) == tag
    assert decrypt(bytes(32), tag, bytes(12), A256GCM) == b""


def test_ctr_agrees_with_its_specification() -> None:
    """NIST SP 800-38A, F.5.5, first block."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    counter = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    block = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    sealed = bytes.fromhex("601ec313775789a5b7a7f504bbf3d228")
    assert encrypt(key, block, counter, A256CTR) == sealed
    assert decrypt(key, sealed, counter, A256CTR) == block
