"""Signing: the compact form, as another library reads it."""

from __future__ import annotations

import json

import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from app.trust.jws import JWSSigner
from guest.wire.encoding import b64url_decode

KEY = ECKey.generate_key("P-256")
PAYLOAD = {"a": "ä", "b": [1, {"c": None}]}


def test_a_signature_is_for_one_key_and_one_text() -> None:
    """Another key and another payload do not verify."""
    token = JWSSigner(KEY, {"typ": "JWT"}).sign(PAYLOAD)
    header, payload, signature = token.split(".")
    for text, key in (
        (token, ECKey.generate_key("P-256")),
        (f"{header}.{payload[:-1]}A.{signature}", KEY),
    ):
        with pytest.raises(BadSignatureError):
            jws.deserialize_compact(text, key, algorithms=["ES256"])


def test_signs_what_others_verify() -> None:
    """ES256, the header as it was given, the payload as JSON."""
    token = JWSSigner(KEY, {"typ": "JWT", "kid": "k"}).sign(PAYLOAD)
    verified = jws.deserialize_compact(token, KEY, algorithms=["ES256"])
    assert verified.headers() == {"alg": "ES256", "typ": "JWT", "kid": "k"}
    assert json.loads(verified.payload or b"") == PAYLOAD


def test_every_signature_has_its_full_length() -> None:
    """Two numbers of 32 bytes, however small they come out (RFC 7518, section 3.4)."""
    signer = JWSSigner(KEY, {})
    for _ in range(64):
        assert len(b64url_decode(signer.sign({}).rsplit(".", 1)[1])) == 64
