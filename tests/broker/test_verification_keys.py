"""Only keys that can verify, for what they are made for, are taken from a set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from minting import Mint

from app.broker.verification_keys import (
    MAX_KEYS,
    UnusableKeyError,
    parse_key_set,
    parse_verification_key,
)

EC = Mint().jwk()
RSA = RSAKey.generate_key(2048).as_dict(private=False)
OTHER = Mint().jwk()

UNUSABLE: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "empty": {},
    "kty missing": {name: value for name, value in EC.items() if name != "kty"},
    "kty no text": {**EC, "kty": ["EC"]},
    "a shared secret": OctKey.generate_key(256).as_dict(private=True),
    "for encryption": {**EC, "use": "enc"},
    "use no text": {**EC, "use": ["sig"]},
    "for signing only": {**EC, "key_ops": ["sign"]},
    "key_ops no list": {**EC, "key_ops": "verify"},
    "curve missing": {name: value for name, value in EC.items() if name != "crv"},
    "curve unknown": {**EC, "crv": "P-224"},
    "curve no text": {**EC, "crv": {}},
    "curve of another kind": {**EC, "crv": "Ed25519"},
    "curve of signatures we do not know": OKPKey.generate_key("Ed448").as_dict(private=False),
    "curve of key agreement": OKPKey.generate_key("X25519").as_dict(private=False),
    "point off the curve": {**EC, "y": OTHER["y"]},
    "coordinate missing": {name: value for name, value in EC.items() if name != "y"},
    "coordinate no text": {**EC, "x": 1},
    "coordinate no base64url": {**EC, "x": EC["x"] + "="},
    "coordinate empty": {**EC, "x": ""},
    "alg of another curve": {**EC, "alg": "ES384"},
    "alg of a shared secret": {**EC, "alg": "HS256"},
    "alg none": {**EC, "alg": "none"},
    "alg no text": {**EC, "alg": 256},
    "weak RSA": {**RSA, "n": RSA["n"][:171]},
    "huge RSA": {**RSA, "n": RSA["n"] * 3},
    "exponent of one": {**RSA, "e": "AQ"},
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_refuses(case: str) -> None:
    """A key that could not verify, or should not, is no key."""
    with pytest.raises(UnusableKeyError):
        parse_verification_key(UNUSABLE[case])


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [1]}, {"keys": [EC] * (MAX_KEYS + 1)}],
    ids=["nothing", "list", "no keys", "object", "empty", "no key", "too many"],
)
def test_refuses_a_set_that_verifies_nothing(value: Any) -> None:
    """An empty set of keys is a fault, not a set that no token matches."""
    with pytest.raises(UnusableKeyError):
        parse_key_set(value)


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid"]),
        st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "sig", "verify", ""])
        | st.text(max_size=5)
        | st.integers()
        | st.none()
        | st.lists(st.text(max_size=5), max_size=2),
    )
)
@settings(max_examples=200)
def test_survives_any_members(value: dict[str, Any]) -> None:
    """A hostile key set ends in a refusal, never in a crash."""
    with pytest.raises(UnusableKeyError):
        parse_verification_key(value)


def test_private_members_are_left_behind() -> None:
    """An issuer that publishes its private key does not hand it to us."""
    private = ECKey.generate_key("P-256")
    key = parse_verification_key(private.as_dict(private=True))
    assert not key.key.is_private
    assert key.thumbprint == private.thumbprint()


def test_keys_for_other_purposes_are_left_out_of_a_set() -> None:
    """One set may serve more than tokens (RFC 7517, section 5)."""
    keys = parse_key_set({"keys": [{**OTHER, "use": "enc"}, EC, {"kty": "oct", "k": "AA"}]})
    assert [key.key_id for key in keys] == [EC["kid"]]


@pytest.mark.parametrize(
    ("value", "algorithms"),
    [
        (EC, {"ES256"}),
        ({**EC, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}, {"ES256"}),
        (RSA, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ({**RSA, "alg": "PS256"}, {"PS256"}),
        (OKPKey.generate_key("Ed25519").as_dict(private=False), {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_knows_its_algorithms(value: dict[str, Any], algorithms: set[str]) -> None:
    """The key says what verifies under it; a token has no say."""
    assert parse_verification_key(value).algorithms == algorithms
