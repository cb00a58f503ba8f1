"""What responses are sealed with is the operator's choice, and the weakest has to be named so."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from raw_guest import RawGuest
from servers import make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build
from guest.wire.encoding import b64url_encode


class OldGuest(RawGuest):
    """A guest with an RSA key that asks for PKCS #1 v1.5."""

    @property
    def key(self) -> dict[str, str]:
        """A modulus of 2048 bits; nobody has to know its factors to seal to it."""
        modulus = b64url_encode(b"\xc5" + bytes(254) + b"\x01")
        return {"kty": "RSA", "alg": "RSA1_5", "n": modulus, "e": "AQAB"}


@pytest.mark.parametrize("insecure", [False, True])
def test_rsa1_5_needs_its_insecure_setting(
    app: Flask, affirming: None, tmp_path: Path, *, insecure: bool
) -> None:
    """By default nothing is sealed with it (wire.md 14.1, 18)."""
    other = build(make_settings(tmp_path, broker={"insecure_rsa1_5": insecure}))
    guest = OldGuest(other.test_client())
    assert guest.attest().status_code == 200
    response = guest.resource()
    other.extensions[EXTENSION].close()
    if insecure:
        assert response.status_code == 200
        assert response.json["encrypted_key"]
    else:
        assert response.status_code == 400
        assert response.json["code"] == "tee-key-unsupported"
