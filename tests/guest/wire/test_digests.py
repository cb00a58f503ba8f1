"""Hash algorithms by wire name."""

from __future__ import annotations

import hashlib

import pytest

from guest.wire.digests import digest
from guest.wire.errors import WireError


@pytest.mark.parametrize("name", ["SHA384", "sha-384", "md5", "sha1", "shake_128", ""])
def test_refuses_other_names(name: str) -> None:
    """IANA spellings fail upstream too (wire.md 2.8), and weak algorithms have no name here."""
    with pytest.raises(WireError):
        digest(b"", name)


def test_hashes() -> None:
    """The SHA-2 family from the standard library; SM3 as GB/T 32905, example 1."""
    assert digest(b"abc", "sha256") == hashlib.sha256(b"abc").digest()
    assert len(digest(b"", "sha384")) == 48
    assert len(digest(b"", "sha512")) == 64
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert digest(b"abc", "sm3").hex() == expected
