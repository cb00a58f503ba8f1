"""Runtime data and its digest, against vectors from outside."""

from __future__ import annotations

from typing import Any

import pytest

from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.runtime_data import hash_algorithm_of, runtime_data, runtime_data_digest

NONCE = b64_encode(bytes(range(32)))
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "alg": "ECDH-ES+A256KW",
    "x": b64url_encode(bytes(range(32))),
    "y": b64url_encode(bytes(range(32, 64))),
}
SHORT_KEY = {**KEY, "x": "AQ", "y": "Ag"}


@pytest.mark.parametrize(
    ("value", "algorithm", "expected"),
    [
        (
            runtime_data(NONCE, KEY, ""),
            "sha384",
            (
                "62b64dc81f3d65b3926a4014c90a56d2fa0abcdf74ce53018fbd22a256ca4ab1"
                "f03d8cc4d132366d698ba19f321d21b8"
            ),
        ),
        (
            runtime_data(NONCE, KEY, ""),
            "sha512",
            (
                "3806f07ab0d508734d282d41bcb00758a5fb3bf7e61e97be8a3eb60b7d0736cd"
                "1dc5f532cbd1af5b6535794e896d53a1352b597944fa5ca50707adc8782e3997"
            ),
        ),
        (
            runtime_data(NONCE, KEY, None),
            "sha384",
            (
                "c98adb4c8b8d0c343836b7c4a432a36f3fcf89ddcdde75fd6e575ae5bc0a79a5"
                "470010a97388a11e7f865daa51ec57cf"
            ),
        ),
        (
            {"b": 1, "a": "test", "c": {"d": "e"}},
            "sha384",
            (
                "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c"
                "4597480a186427c813ca941da78870c3"
            ),
        ),
        (
            runtime_data("bm9uY2U=", SHORT_KEY, None),
            "sha384",
            (
                "8b396d072096bda2ab91b96dadc67d92ddfeba4779b19be2d336a501a3618ed5"
                "cc1f900b0d99b8ad760340a6df206a54"
            ),
        ),
        (
            runtime_data("bm9uY2U=", SHORT_KEY, ""),
            "sha384",
            (
                "8a0dedde8eaf03a25760757ffbcd91cacda23aa699d3cd311deb57f51110cfef"
                "59b397dba35234c48747f3e6efc92558"
            ),
        ),
    ],
)
def test_the_digest_is_the_one_of_the_vectors(value: Any, algorithm: str, expected: str) -> None:
    """wire.md 2.6 and guest.md 4.2."""
    assert runtime_data_digest(value, algorithm).hex() == expected


def test_the_algorithm_is_the_tees() -> None:
    """Secure Execution has its own."""
    assert hash_algorithm_of("se") == "sha512"
    assert {hash_algorithm_of(tee) for tee in ("snp", "tdx", "sample", "nvidia")} == {"sha384"}


def test_refuses_an_unknown_algorithm() -> None:
    """No digest is made by guess."""
    with pytest.raises(WireError):
        runtime_data_digest({}, "md5")
