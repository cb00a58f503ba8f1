"""What rests is sealed, opens only where it belongs, and survives a change of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trust.errors import SealingError
from app.trust.sealing import KeyEncryptionKey, Sealer

OLD = KeyEncryptionKey(b"o" * 32)
NEW = KeyEncryptionKey(b"n" * 32)


def test_refuses_another_context() -> None:
    """A sealed value moved to another path or version does not open."""
    sealed = Sealer([OLD]).seal(b"value", b"secret/a/b/c/1")
    with pytest.raises(SealingError):
        Sealer([OLD]).open(sealed, b"secret/a/b/c/2")


def test_refuses_another_key() -> None:
    """Without the key-encryption key there is nothing to open."""
    sealed = Sealer([OLD]).seal(b"value", b"x")
    with pytest.raises(SealingError, match=OLD.key_id.hex()):
        Sealer([NEW]).open(sealed, b"x")


def test_refuses_every_flipped_bit() -> None:
    """No byte of a sealed value can change unnoticed."""
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"value", b"x")
    for position in range(len(sealed)):
        broken = bytearray(sealed)
        broken[position] ^= 1
        with pytest.raises(SealingError):
            sealer.open(bytes(broken), b"x")


def test_refuses_every_truncation() -> None:
    """A cut value is refused, whatever its length."""
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"value", b"x")
    for length in range(len(sealed)):
        with pytest.raises(SealingError):
            sealer.open(sealed[:length], b"x")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_refuses_keys_of_another_length(length: int) -> None:
    """A key-encryption key has 256 bits."""
    with pytest.raises(SealingError):
        KeyEncryptionKey(b"k" * length)


def test_refuses_to_seal_without_a_key() -> None:
    """No key at all is a fault, not a sealer that does nothing."""
    with pytest.raises(SealingError):
        Sealer([])


def test_rewrapping_moves_a_value_to_the_new_key() -> None:
    """After rewrapping the old key can go, and the value is the same."""
    sealed = Sealer([OLD]).seal(b"value", b"x")
    rewrapped = Sealer([NEW, OLD]).rewrap(sealed)
    assert Sealer([NEW]).open(rewrapped, b"x") == b"value"
    assert sealed[-21:] == rewrapped[-21:]


def test_rewrapping_leaves_current_values_alone() -> None:
    """A value under the current key is not touched."""
    sealer = Sealer([NEW, OLD])
    sealed = sealer.seal(b"value", b"x")
    assert sealer.rewrap(sealed) == sealed


@given(st.binary(max_size=256), st.binary(max_size=64))
def test_opens_what_it_sealed(plaintext: bytes, associated: bytes) -> None:
    """Any bytes come back, under any context."""
    sealer = Sealer([OLD])
    assert sealer.open(sealer.seal(plaintext, associated), associated) == plaintext


def test_a_key_never_shows() -> None:
    """The representation of a key is its id."""
    assert OLD.key_id.hex() in repr(OLD)
    assert "o" * 8 not in repr(OLD)
    assert (b"o" * 32).hex() not in repr(OLD)
