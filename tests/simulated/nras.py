"""A simulated NRAS: it answers what it is told to, and signs it with a key of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from fakes import NOON

from app.trust.http_client import HTTPReply, OutsideError

KEY_SET_URL = "https://nras.attestation.nvidia.com/.well-known/jwks.json"
ISSUER = "https://nras.attestation.nvidia.com"


def encoded(data: bytes) -> str:
    """As base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value: Any) -> str:
    """JSON, as base64url."""
    return encoded(json.dumps(value).encode())


def times(**changes: Any) -> dict[str, Any]:
    """What every token has."""
    now = int(NOON.timestamp())
    return {"iss": ISSUER, "iat": now, "nbf": now, "exp": now + 3600} | changes


def public_jwk(key: ec.EllipticCurvePrivateKey, key_id: str) -> dict[str, Any]:
    """A key as a key set has it."""
    numbers = key.public_key().public_numbers()
    x, y = (encoded(each.to_bytes(48, "big")) for each in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-384", "kid": key_id, "x": x, "y": y, "use": "sig"}


def judgement(kind: str = "gpu", **changes: Any) -> dict[str, Any]:
    """Claims about a device."""
    return times() | {
        f"x-nvidia-{kind}-attestation-report-nonce-match": True,
        "measres": "success",
        # Bytes whose base64url has both letters that the standard alphabet does not know.
        "oemid": "~~~???>>>ÿÿÿ",
        **changes,
    }


@dataclass
class SimulatedNRAS:
    """The port ``HTTPClient``, with the service behind it.

    Attributes:
        claims: of the device, by what was posted.
        overall: claims of the token over all.
        header: of both tokens; ``None`` values are left out.
        mutate: what happens to the answer before it is sent.
    """

    key_id: str = "nv-1"
    claims: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda kind, _: judgement(kind)
    overall: dict[str, Any] = field(
        default_factory=lambda: times() | {"x-nvidia-overall-att-result": True}
    )
    header: dict[str, Any] = field(default_factory=dict)
    mutate: Callable[[Any], Any] = lambda answer: answer
    status: int = 200
    keys_status: int = 200
    down: bool = False

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.keys = [public_jwk(self.key, self.key_id)]
        self.asked: list[str] = []
        self.posted: list[Any] = []

    def get(self, url: str) -> HTTPReply:
        """The key set."""
        self._answer(url)
        return HTTPReply(self.keys_status, {}, json.dumps({"keys": self.keys}).encode())

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """Nothing is ever posted."""
        raise AssertionError(url, body, media_type)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """The judgement."""
        self._answer(url)
        asked = json.loads(body)
        self.posted.append(asked)
        device = self.claims(url.rpartition("/")[2], asked)
        answer = [["JWT", self.token(self.overall)], {"GPU-0": self.token(device)}]
        return HTTPReply(self.status, {}, json.dumps(self.mutate(answer)).encode())

    def token(self, claims: Any) -> str:
        """A compact JWS."""
        header = {"alg": "ES384", "kid": self.key_id, "typ": "JWT"} | self.header
        signed = f"{compact(header)}.{compact(claims)}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(SHA384())))
        return f"{signed}.{encoded(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"

    def _answer(self, url: str) -> None:
        self.asked.append(url)
        if self.down:
            raise OutsideError("no answer")


LATER = timedelta(hours=2)
