"""A guest with the sample TEE that speaks raw HTTP, so that tests can bend every step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient

from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.jwe import open_sealed
from guest.wire.runtime_data import runtime_data, runtime_data_digest

SECRET = b"the secret of the tests"
PATH = "default/demo/secret"


def public_key(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The TEE's public key as a JWK."""
    numbers = private.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "alg": "ECDH-ES+A256KW",
        "x": b64url_encode(numbers.x.to_bytes(32, "big")),
        "y": b64url_encode(numbers.y.to_bytes(32, "big")),
    }


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh TEE key."""
    return ec.generate_private_key(ec.SECP256R1())


def attestation_body(nonce: str, key: dict[str, str], **evidence: Any) -> dict[str, Any]:
    """The body of POST /attest."""
    digest = runtime_data_digest(runtime_data(nonce, key, ""))
    primary = {"svn": "1", "report_data": b64_encode(digest)} | evidence
    return {
        "init-data": None,
        "runtime-data": {"nonce": nonce, "tee-pubkey": key},
        "tee-evidence": {"primary_evidence": primary, "additional_evidence": ""},
    }


def evaluation_body(nonce: str | None, key: dict[str, str], **evidence: Any) -> dict[str, Any]:
    """The body of POST /attestation of the AS."""
    structured = runtime_data(nonce or "", key, "")
    if nonce is None:
        del structured["nonce"]
    digest = runtime_data_digest(structured)
    primary = {"svn": "1", "report_data": b64_encode(digest)} | evidence
    return {
        "verification_requests": [
            {
                "tee": "sample",
                "evidence": b64url_encode(json.dumps(primary).encode()),
                "runtime_data": {"structured": structured},
                "runtime_data_hash_algorithm": "sha384",
            }
        ],
        "policy_ids": [],
    }


class HTTPGuest:
    """A guest that has attested to a real server by the handshake."""

    def __init__(self, url: str) -> None:
        self.private = new_key()
        self._url = url
        self._http = urllib3.PoolManager(retries=False, timeout=30)
        begun = self._http.request(
            "POST",
            f"{url}/kbs/v0/auth",
            json={"version": "0.4.0", "tee": "sample", "extra-params": {}},
        )
        self._headers = {"Cookie": begun.headers["Set-Cookie"].partition(";")[0]}
        body = attestation_body(begun.json()["nonce"], public_key(self.private))
        attested = self._http.request(
            "POST", f"{url}/kbs/v0/attest", json=body, headers=self._headers
        )
        assert attested.status == 200, attested.data

    def resource(self, path: str) -> dict[str, str]:
        """A sealed resource."""
        url = f"{self._url}/kbs/v0/resource/{path}"
        reply = self._http.request("GET", url, headers=self._headers)
        assert reply.status == 200, reply.data
        sealed: dict[str, str] = reply.json()
        return sealed


@dataclass
class RawGuest:
    """A guest in the test client that shows every step."""

    client: FlaskClient
    private: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def key(self) -> dict[str, str]:
        """The TEE's public key."""
        return public_key(self.private)

    def challenge(self, **members: Any) -> Any:
        """POST /auth."""
        body = {"version": "0.4.0", "tee": "sample", "extra-params": {}} | members
        return self.client.post("/kbs/v0/auth", json=body)

    def nonce(self) -> str:
        """The nonce of a fresh session."""
        return str(self.challenge().json["nonce"])

    def attestation(self, nonce: str, **evidence: Any) -> dict[str, Any]:
        """The body of POST /attest."""
        return attestation_body(nonce, self.key, **evidence)

    def attest(self, nonce: str | None = None, **evidence: Any) -> Any:
        """POST /attest."""
        body = self.attestation(nonce or self.nonce(), **evidence)
        return self.client.post("/kbs/v0/attest", json=body)

    def evaluation(self, nonce: str | None, **evidence: Any) -> dict[str, Any]:
        """The body of POST /attestation of the AS."""
        return evaluation_body(nonce, self.key, **evidence)

    def as_nonce(self) -> str:
        """A nonce of the AS."""
        body = {"tee": "sample", "tee_params": ""}
        return str(self.client.post("/challenge", json=body).text)

    def passport(self, nonce: str | None = None, **evidence: Any) -> Any:
        """POST /attestation of the AS."""
        return self.client.post(
            "/attestation", json=self.evaluation(nonce or self.as_nonce(), **evidence)
        )

    def resource(self, path: str = PATH, token: str | None = None) -> Any:
        """GET /resource, with the session's cookie or a token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.get(f"/kbs/v0/resource/{path}", headers=headers)

    def open(self, sealed: dict[str, str]) -> bytes:
        """The plaintext of a response."""
        return open_sealed(sealed, self.private)
