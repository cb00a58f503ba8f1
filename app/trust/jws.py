"""Signing: compact JWS under one key, with a header that is serialised once (RFC 7515, 7.1)."""

from __future__ import annotations

import json

from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from app.trust.json_types import JSONObject
from guest.wire.encoding import b64url_encode

# ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4), the algorithm of every token signed here.
ALGORITHM = "ES256"


class JWSSigner:
    """Signs payloads under one private key."""

    def __init__(self, key: ECKey, header: JSONObject) -> None:
        """Take a P-256 key and the header without ``alg``, which is put first."""
        self._key = key
        self._model = JWSRegistry.algorithms[ALGORITHM]
        self._header = b64url_encode(_compact({"alg": ALGORITHM, **header}))

    def sign(self, payload: JSONObject) -> str:
        """The payload as a compact JWS."""
        signing_input = f"{self._header}.{b64url_encode(_compact(payload))}"
        signature = self._model.sign(signing_input.encode("ascii"), self._key)
        return f"{signing_input}.{b64url_encode(signature)}"


def _compact(value: JSONObject) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
