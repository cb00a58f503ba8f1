"""The OpenID provider that operators sign in with, seen from its client.

OpenID Connect Core 1.0 with the authorization code flow (section 3.1) and PKCE (RFC 7636, S256).
Nothing that the provider's redirect carries is believed before the code was exchanged over TLS and
the ID token verified: its signature under a key of the provider, issuer, audience, times, nonce.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.trust.errors import (
    IdentityProviderUnavailableError,
    IdentityTokenError,
    SignInRefusedError,
)

LEEWAY = timedelta(seconds=60)
_TIMEOUT_SECONDS = 10.0
_MAX_DOCUMENT_BYTES = 1024 * 1024
_METADATA_PATH = "/.well-known/openid-configuration"
# Signatures with a public key only: a client secret is no key of the provider's.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """How this server is known to the provider.

    Attributes:
        issuer: the provider's, without a trailing slash unless it has one itself.
        redirect_uri: where it sends browsers back to.
        ca_file: PEM file that its TLS is checked against; ``None`` is the system's authorities.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What one sign-in is asked for with, and its answer is held to.

    Attributes:
        state: comes back in the redirect.
        nonce: comes back in the ID token.
        verifier: of PKCE; its digest went along with the request.
        again: whether the provider must ask the operator anew.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    again: bool


class IdentityProvider:
    """Asks the provider."""

    def __init__(self, client: ProviderClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now

    def address(self, request: Request) -> str:
        """Where to send the browser.

        Raises:
            IdentityProviderUnavailableError: the provider's description cannot be fetched.
        """
        metadata = self._metadata()
        anew: dict[str, str | int] = {"max_age": 0, "prompt": "login"} if request.again else {}
        with self._session() as session:
            url, _ = session.create_authorization_url(
                metadata["authorization_endpoint"],
                state=request.state,
                nonce=request.nonce,
                code_verifier=request.verifier,
                **anew,
            )
        return str(url)

    def claims(
        self, request: Request, answer: dict[str, str], asked_at: datetime
    ) -> dict[str, Any]:
        """The claims of the ID token that the redirect's code stands for.

        Args:
            request: what was asked for.
            answer: the query of the redirect, not verified.
            asked_at: when the browser was sent to the provider.

        Raises:
            SignInRefusedError: the provider, or the person, said no.
            IdentityTokenError: what came back does not belong to this request, or is not genuine.
            IdentityProviderUnavailableError: the provider does not answer.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), request.state.encode()):
            raise IdentityTokenError("the answer belongs to no sign-in of this browser")
        metadata = self._metadata()
        if answer.get("iss", metadata["issuer"]) != metadata["issuer"]:
            raise IdentityTokenError("the answer is of another provider")
        if "error" in answer or not answer.get("code"):
            raise SignInRefusedError("the identity provider refused to sign you in")
        token = self._exchange(metadata["token_endpoint"], answer["code"], request.verifier)
        claims = self._verified(token.get("id_token"), metadata["jwks_uri"])
        self._check(claims, request, asked_at)
        return claims

    def _exchange(self, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        try:
            with self._session() as session:
                token: dict[str, Any] = session.fetch_token(
                    endpoint, code=code, code_verifier=verifier, allow_redirects=False
                )
        except OAuthError as error:
            raise SignInRefusedError("the identity provider does not know this sign-in") from error
        except (requests.RequestException, ValueError) as error:
            raise IdentityProviderUnavailableError(
                "the identity provider did not answer"
            ) from error
        return token

    def _verified(self, unverified_token: object, jwks_uri: str) -> dict[str, Any]:
        if not isinstance(unverified_token, str):
            raise IdentityTokenError("the identity provider gave no ID token")
        try:
            keys = KeySet.import_key_set(self._document(jwks_uri))  # type: ignore[arg-type]
            return jwt.decode(unverified_token, keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise IdentityTokenError("the ID token is not the identity provider's") from error

    def _check(self, claims: dict[str, Any], request: Request, asked_at: datetime) -> None:
        """OpenID Connect Core 1.0, section 3.1.3.7."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        own = self._client.client_id
        if claims.get("iss") != self._client.issuer or own not in audiences:
            raise IdentityTokenError("the ID token is of another provider, or for someone else")
        if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != own:
            raise IdentityTokenError("the ID token was made for someone else")
        now = self._now()
        if now >= _moment(claims, "exp") + LEEWAY or _moment(claims, "iat") > now + LEEWAY:
            raise IdentityTokenError("the ID token is expired, or not valid yet")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), request.nonce.encode()):
            raise IdentityTokenError("the ID token belongs to another sign-in")
        if request.again and _moment(claims, "auth_time") < asked_at - LEEWAY:
            raise IdentityTokenError("the identity provider did not ask you anew")

    def _metadata(self) -> dict[str, Any]:
        """The provider's description (OpenID Connect Discovery 1.0, section 4)."""
        issuer = self._client.issuer
        metadata = self._document(issuer.rstrip("/") + _METADATA_PATH)
        if metadata.get("issuer") != issuer:
            raise IdentityTokenError("the provider's description names another issuer")
        secure = urlsplit(issuer).scheme == "https"
        for name in _ENDPOINTS:
            scheme = urlsplit(str(metadata.get(name, ""))).scheme
            if scheme != "https" and (secure or scheme != "http"):
                raise IdentityTokenError(f"the provider's description has no usable {name}")
        return metadata

    def _document(self, url: str) -> dict[str, Any]:
        try:
            with self._session() as session:
                reply = session.request(
                    "GET", url, withhold_token=True, allow_redirects=False, stream=True
                )
                body = reply.raw.read(_MAX_DOCUMENT_BYTES + 1, decode_content=True)
                if reply.status_code != 200 or len(body) > _MAX_DOCUMENT_BYTES:
                    raise IdentityProviderUnavailableError("the identity provider did not answer")
                document = json.loads(body)
        except (requests.RequestException, OSError, ValueError) as error:
            raise IdentityProviderUnavailableError(
                "the identity provider did not answer"
            ) from error
        if not isinstance(document, dict):
            raise IdentityTokenError("the provider's description is no JSON object")
        return document

    def _session(self) -> OAuth2Session:
        client = self._client
        session = OAuth2Session(
            client.client_id,
            client.client_secret,
            scope=" ".join(client.scopes),
            redirect_uri=client.redirect_uri,
            code_challenge_method="S256",
            default_timeout=_TIMEOUT_SECONDS,
        )
        # Proxies and credentials of this machine's environment are not the settings'.
        session.trust_env = False
        if client.ca_file is not None:
            session.verify = client.ca_file
        return session


def _moment(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise IdentityTokenError(f"the ID token lacks {name}")
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise IdentityTokenError(f"the ID token lacks {name}") from error
