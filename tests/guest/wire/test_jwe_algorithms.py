"""Key derivation of sealed responses, against vectors from outside."""

from __future__ import annotations

import sys

import pytest

from guest.wire.jwe_algorithms import UnsupportedKeyError, concat_kdf, kmac_kdf


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        (bytes(range(32)), "ead36a3ab953bb6e5a6709471c0fd35fcc62cf920994cede2f3aa2544e9f47ac"),
        (bytes(32), "4d4cc5347dd8f6a4392e7ee74995e2e07fca564634f0fdcb65be59dbe0fcb3e4"),
    ],
)
def test_ecdh_derives_the_key_of_the_vectors(shared: bytes, expected: str) -> None:
    """wire.md 3.3 and guest.md 4.5."""
    assert concat_kdf(shared).hex() == expected


def test_ml_kem_derives_the_key_of_the_vector() -> None:
    """wire.md 3.3."""
    assert kmac_kdf(bytes(32)).hex() == "5a532aa1c71c5bfe8ef4f3c32d4e6146992d6bd53fd0ccca"


def test_ml_kem_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra there is a sentence that names it."""
    monkeypatch.setitem(sys.modules, "Crypto.Hash.KMAC256", None)
    with pytest.raises(UnsupportedKeyError, match=r"vouchgate-guest\[pqc\]"):
        kmac_kdf(bytes(32))
