"""Secrets that are overwritten."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from guest.cdh.key_packets import KeyPacket
from guest.cdh.sealed_secrets import Unsealer
from guest.cdh.sealing import Sealer, Terms
from guest.errors import NotDecryptedError
from guest.kms.ports import Wrapped
from guest.kms.wiping import wipe, wiping


class Kept:
    """A service that encrypts nothing, and keeps the buffers that it gives away."""

    def __init__(self) -> None:
        self.given: list[bytearray] = []

    def encrypt(self, plaintext: bytes, key_id: str, annotations: Any) -> Wrapped:
        """The same."""
        return Wrapped(plaintext, annotations)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: Any) -> bytearray:
        """The same."""
        self.given.append(bytearray(ciphertext))
        return self.given[-1]

    def get_secret(self, name: str, annotations: Any) -> bytes:
        """None."""
        raise NotImplementedError


def test_wiping_leaves_zeros() -> None:
    """Also when the block fails, and in the same buffer."""
    secret = bytearray(b"secret")
    with suppress(ValueError), wiping(secret):
        int(secret)
    assert secret == bytes(6)
    wipe(secret)
    assert secret == bytes(6)


def test_a_data_key_is_wiped_after_use() -> None:
    """Whether it opened the secret or not."""
    kms = Kept()
    sealer = Sealer(ec.generate_private_key(ec.SECP256R1()), "team")
    sealed = sealer.seal_with(kms, b"the secret", "key", Terms("kept"))
    unsealer = Unsealer(lambda _: b"", None, lambda *_: kms)
    assert unsealer.unseal_secret(sealed) == b"the secret"
    other = sealer.seal_with(Other(), b"the secret", "key", Terms("kept"))
    with pytest.raises(NotDecryptedError):
        unsealer.unseal_secret(other)
    assert kms.given == [bytes(32), bytes(32)]


def test_a_payload_is_wiped_after_use() -> None:
    """What is handed on is a copy."""
    kms = Kept()
    packet = KeyPacket("key", b"layer key", provider="kept")
    assert packet.open(lambda _: b"", lambda *_: kms) == b"layer key"
    assert kms.given == [bytes(9)]


class Other(Kept):
    """Gives another key back than was encrypted."""

    def encrypt(self, plaintext: bytes, key_id: str, annotations: Any) -> Wrapped:
        """Another."""
        return Wrapped(b"\1" * 32, annotations)
