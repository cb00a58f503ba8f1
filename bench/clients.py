"""What a guest does, as lean as it can be done, so that the measured cost is the server's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import urllib3
from cryptography.hazmat.primitives.asymmetric import ec

from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.runtime_data import runtime_data, runtime_data_digest


class RefusedError(Exception):
    """The server did not answer 200."""


@dataclass
class Guest:
    """A guest with the sample TEE and one key pair."""

    kbs_url: str
    as_url: str
    resource: str
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=1, retries=False, timeout=30)
    )

    def __post_init__(self) -> None:
        numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
        self.key = {
            "kty": "EC",
            "crv": "P-256",
            "alg": "ECDH-ES+A256KW",
            "x": b64url_encode(numbers.x.to_bytes(32, "big")),
            "y": b64url_encode(numbers.y.to_bytes(32, "big")),
        }

    def handshake(self) -> None:
        """Challenge, attestation, resource, with the session cookie."""
        version = {"version": "0.4.0", "tee": "sample", "extra-params": {}}
        challenge, cookie = self._post(f"{self.kbs_url}/kbs/v0/auth", version)
        nonce = json.loads(challenge)["nonce"]
        attestation = {
            "init-data": None,
            "runtime-data": {"nonce": nonce, "tee-pubkey": self.key},
            "tee-evidence": {"primary_evidence": self._evidence(nonce), "additional_evidence": ""},
        }
        self._post(f"{self.kbs_url}/kbs/v0/attest", attestation, {"Cookie": cookie})
        self._get_resource({"Cookie": cookie})

    def passport_token(self) -> str:
        """A nonce and a token of the AS."""
        body, _ = self._post(f"{self.as_url}/challenge", {"tee": "sample", "tee_params": ""})
        nonce = body.decode()
        evidence = json.dumps(self._evidence(nonce)).encode()
        evaluation = {
            "verification_requests": [
                {
                    "tee": "sample",
                    "evidence": b64url_encode(evidence),
                    "runtime_data": {"structured": runtime_data(nonce, self.key, "")},
                    "runtime_data_hash_algorithm": "sha384",
                }
            ],
            "policy_ids": ["default"],
        }
        token, _ = self._post(f"{self.as_url}/attestation", evaluation)
        return token.decode()

    def resource_with_token(self, token: str) -> None:
        """A resource, shown a token."""
        self._get_resource({"Authorization": f"Bearer {token}"})

    def _evidence(self, nonce: str) -> dict[str, str]:
        digest = runtime_data_digest(runtime_data(nonce, self.key, ""))
        return {"svn": "1", "report_data": b64_encode(digest)}

    def _get_resource(self, headers: dict[str, str]) -> None:
        url = f"{self.kbs_url}/kbs/v0/resource/{self.resource}"
        self._checked(self.http.request("GET", url, headers=headers))

    def _post(
        self, url: str, body: object, headers: dict[str, str] | None = None
    ) -> tuple[bytes, str]:
        reply = self.http.request("POST", url, json=body, headers=headers or {})
        self._checked(reply)
        return reply.data, reply.headers.get("Set-Cookie", "").partition(";")[0]

    @staticmethod
    def _checked(reply: urllib3.BaseHTTPResponse) -> None:
        if reply.status != 200:
            message = f"{reply.status}: {reply.data[:300]!r}"
            raise RefusedError(message)
