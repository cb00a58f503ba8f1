"""TEE keys as JWKs."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.jwk import (
    AKPPublicJWK,
    ECPublicJWK,
    RSAPublicJWK,
    parse_tee_public_key,
    point_members,
)

ECDH = "ECDH-ES+A256KW"
# The example keys of RFC 7517, A.1 and RFC 7638, 3.1.
RFC_EC = {
    "kty": "EC",
    "crv": "P-256",
    "alg": ECDH,
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
RFC_RSA = {
    "kty": "RSA",
    "alg": "RSA-OAEP-256",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_B"
        "JECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F"
        "DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4"
        "vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
}
AKP = {"kty": "AKP", "alg": "ML-KEM-768+A192KW", "pub": b64url_encode(bytes(1184))}


def rsa_jwk(bits: int) -> dict[str, str]:
    """A key of that size; its primality is nobody's concern here."""
    n = (1 << bits) - 1
    return {
        "kty": "RSA",
        "alg": "RSA-OAEP-256",
        "n": b64url_encode(n.to_bytes((bits + 7) // 8, "big")),
        "e": "AQAB",
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "EC",
        {},
        {**RFC_EC, "kty": "OKP"},
        {**RFC_EC, "kty": 1},
        {**RFC_EC, "crv": "secp256k1"},
        {**RFC_EC, "crv": "P-521"},
        {**RFC_EC, "alg": None},
        {**RFC_EC, "alg": "x" * 65},
        {**RFC_EC, "x": RFC_EC["x"] + "="},
        {**RFC_EC, "x": b64url_encode(bytes(31))},
        {**RFC_EC, "x": b64url_encode(bytes(33))},
        {**RFC_EC, "y": RFC_EC["x"]},
        {**RFC_EC, "x": b64url_encode(b"\xff" * 32)},
        {**RFC_EC, "x": b64url_encode(bytes(32)), "y": b64url_encode(bytes(32))},
        {name: value for name, value in RFC_EC.items() if name != "y"},
        {**RFC_RSA, "n": "AA"},
        {**RFC_RSA, "n": ""},
        {**RFC_RSA, "n": b64url_encode(b"\0" + b64url_decode(RFC_RSA["n"]))},
        {**RFC_RSA, "e": ""},
        {**RFC_RSA, "e": "AQ"},
        {**RFC_RSA, "e": b64url_encode(b"\x01" * 9)},
        {**RFC_RSA, "e": 65537},
        rsa_jwk(2047),
        rsa_jwk(4097),
        {**RFC_RSA, "n": "A" * 5000},
        {**AKP, "pub": b64url_encode(bytes(1183))},
        {**AKP, "pub": "*"},
        {"kty": "AKP", "alg": "ML-KEM-768+A192KW"},
    ],
)
def test_refuses_what_is_no_key(value: Any) -> None:
    """A key of the wrong shape, size or place ends here, as a WireError."""
    with pytest.raises(WireError):
        parse_tee_public_key(value)


@pytest.mark.parametrize("value", [RFC_EC, RFC_RSA, AKP, rsa_jwk(2048), rsa_jwk(4096)])
def test_keeps_the_members_as_they_came(value: dict[str, str]) -> None:
    """Both sides hash the text, so nothing in it is rewritten."""
    assert parse_tee_public_key(value).as_json() == value


def test_drops_members_unknown_to_the_protocol() -> None:
    """A guest that sends ``kid`` hashes without it (wire.md 2.5, step 6)."""
    key = parse_tee_public_key({**RFC_EC, "kid": "1", "use": "enc", "nested": {"a": []}})
    assert key == ECPublicJWK(RFC_EC["crv"], RFC_EC["alg"], RFC_EC["x"], RFC_EC["y"])


def test_takes_a_curve_that_cannot_be_served_yet() -> None:
    """P-384 is well-formed; that nothing is sealed to it is decided later."""
    crv, x, y = point_members(ec.generate_private_key(ec.SECP384R1()).public_key())
    value = {"kty": "EC", "crv": crv, "alg": ECDH, "x": x, "y": y}
    assert parse_tee_public_key(value).as_json() == value


def test_the_thumbprint_of_an_rsa_key_is_the_one_of_the_rfc() -> None:
    """RFC 7638, section 3.1, prints it."""
    key = RSAPublicJWK(alg="RS256", n=RFC_RSA["n"], e=RFC_RSA["e"])
    assert key.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_thumbprint_of_an_ec_key_ignores_its_use() -> None:
    """RFC 7638 counts ``crv``, ``kty``, ``x`` and ``y`` only."""
    one = ECPublicJWK(RFC_EC["crv"], "A", RFC_EC["x"], RFC_EC["y"])
    other = ECPublicJWK(RFC_EC["crv"], "B", RFC_EC["x"], RFC_EC["y"])
    assert one.thumbprint() == other.thumbprint() == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"


def test_the_thumbprint_of_an_akp_key_counts_its_algorithm() -> None:
    """The algorithm is what such a key is of."""
    assert AKPPublicJWK("A", "AA").thumbprint() != AKPPublicJWK("B", "AA").thumbprint()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_points_round_trip(curve: ec.EllipticCurve) -> None:
    """Coordinates keep the full length of the field."""
    public = ec.generate_private_key(curve).public_key()
    crv, x, y = point_members(public)
    assert ECPublicJWK(crv, ECDH, x, y).public_key() == public


def test_refuses_to_name_another_curve() -> None:
    """Only the curves of the protocol have a JWK here."""
    with pytest.raises(WireError):
        point_members(ec.generate_private_key(ec.SECP256K1()).public_key())


def test_the_rsa_key_is_the_numbers() -> None:
    """What a JWK says is what is encrypted to."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    numbers = public.public_numbers()
    jwk = RSAPublicJWK("RSA-OAEP-256", b64url_encode(numbers.n.to_bytes(256, "big")), "AQAB")
    assert jwk.public_key().public_numbers() == numbers


@settings(max_examples=200, deadline=None)
@given(
    base=st.sampled_from([RFC_EC, RFC_RSA, AKP]),
    name=st.sampled_from(["kty", "crv", "alg", "x", "y", "n", "e", "pub"]),
    value=st.none() | st.integers() | st.text(max_size=50) | st.lists(st.text(max_size=3)),
)
def test_any_change_parses_or_is_a_wire_error(base: dict[str, str], name: str, value: Any) -> None:
    """Nothing that a stranger puts into a member raises anything else."""
    with contextlib.suppress(WireError):
        parse_tee_public_key({**base, name: value}).thumbprint()
