"""An OpenID provider that checks PKCE and its client, and lies on demand."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "console", "a secret of the tests"


@dataclass
class SimulatedProvider:
    """The provider's truth, and its lies.

    Attributes:
        url: its issuer, once it listens.
        claims: what it says about whoever signs in.
        lies: claims of the ID token that are replaced; ``None`` leaves one out.
        metadata_lies: the same of its description.
        key: signs; when it is not ``published``, nobody can know it.
        header: of the ID token.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ann", "groups": ["owners"]})
    lies: dict[str, Any] = field(default_factory=dict)
    metadata_lies: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k"}))
    published: RSAKey | None = None
    header: dict[str, str] = field(default_factory=lambda: {"alg": "RS256", "kid": "k"})
    requests: dict[str, dict[str, str]] = field(default_factory=dict)

    def consent(self, address: str) -> dict[str, str]:
        """What the redirect carries after someone signed in at an address of ours."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe()
        self.requests[code] = query
        return {"code": code, "state": query["state"]}

    def app(self) -> Flask:
        """The provider as a web application."""
        app = Flask(__name__)
        app.add_url_rule("/.well-known/openid-configuration", "metadata", self._metadata)
        app.add_url_rule("/jwks", "jwks", self._jwks)
        app.add_url_rule("/token", "token", self._token, methods=["POST"])
        return app

    def _metadata(self) -> ResponseReturnValue:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }
        return jsonify(document | self.metadata_lies)

    def _jwks(self) -> ResponseReturnValue:
        return jsonify({"keys": [(self.published or self.key).as_dict(private=False)]})

    def _token(self) -> ResponseReturnValue:
        form, basic = request.form, request.authorization
        asked = self.requests.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or basic is None
            or (basic.username, basic.password) != (CLIENT_ID, CLIENT_SECRET)
            or asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return jsonify({"error": "invalid_grant"}), 400
        return jsonify(
            {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token(asked)}
        )

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        times = {"iat": now, "exp": now + 300, "auth_time": now}
        own = {"iss": self.url, "aud": CLIENT_ID, "nonce": asked["nonce"]}
        claims = {k: v for k, v in (self.claims | times | own | self.lies).items() if v is not None}
        return jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])


def redirect_query(answer: dict[str, str]) -> str:
    """The query of the provider's redirect."""
    return urlencode(answer)
