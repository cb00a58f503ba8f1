"""Operators' bearer tokens: JWTs of configured identity providers (wire.md, section 7)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from app.console.access_rules import AccessRule, allowed
from app.trust.clock import Clock
from app.trust.errors import UnauthenticatedError
from app.trust.json_types import JSONObject

# Trustee's tools sign with the name `EdDSA`, which RFC 9864 replaces by `Ed25519`. Both are taken,
# and the library's advice to issuers is nothing for whoever verifies.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)

# Trustee's leeway (wire.md, section 7).
LEEWAY_SECONDS = 60

# An operator's token is a few hundred bytes; what is much longer is not parsed at all.
_MAX_TOKEN_CHARACTERS = 16 * 1024


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Who signs operators' tokens.

    Attributes:
        name: what the audit log calls it.
        keys: public keys only.
        by_key_id: whether tokens name their key with ``kid``.
        issuer: required ``iss``; ``None`` checks none.
        audience: required ``aud``; ``None`` checks none.
        algorithms: accepted signature algorithms.
    """

    name: str
    keys: KeySet
    by_key_id: bool
    issuer: str | None
    audience: str | None
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdminIdentity:
    """An operator known by a verified token.

    Attributes:
        name: ``subject@provider``.
        role: the ``role`` claim.
    """

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AdminTokens:
    """Authenticates bearer tokens and holds the access list they are subject to."""

    providers: Sequence[IdentityProvider]
    rules: Sequence[AccessRule]
    clock: Clock

    def authenticate(self, unverified_token: str) -> AdminIdentity:
        """The operator that a token names.

        Raises:
            UnauthenticatedError: no provider's key verifies it, its time is over or has not begun,
                or it lacks a role. Every refusal reads the same: what is wrong with a credential
                is nothing to tell whoever holds it.
        """
        if len(unverified_token) <= _MAX_TOKEN_CHARACTERS:
            for provider in self.providers:
                claims = self._claims(provider, unverified_token)
                if claims is not None:
                    return _identity(provider, claims)
        raise UnauthenticatedError("this bearer token is not accepted")

    def allows(self, identity: AdminIdentity, method: str, path: str) -> bool:
        """Whether the access list lets the operator's role call this method on this routed path."""
        return allowed(self.rules, identity.role, method, path)

    def _claims(self, provider: IdentityProvider, unverified_token: str) -> dict[str, Any] | None:
        try:
            token = jwt.decode(
                unverified_token,
                provider.keys if provider.by_key_id else provider.keys.keys[0],
                algorithms=list(provider.algorithms),
            )
            self._registry(provider).validate(token.claims)
        except (JoseError, ValueError):
            # Another provider may know this token; only when none does is it refused.
            return None
        return token.claims

    def _registry(self, provider: IdentityProvider) -> jwt.JWTClaimsRegistry:
        options: dict[str, jwt.ClaimsOption] = {"exp": {"essential": True}}
        if provider.issuer is not None:
            options["iss"] = {"essential": True, "value": provider.issuer}
        if provider.audience is not None:
            options["aud"] = {"essential": True, "value": provider.audience}
        now = int(self.clock.now().timestamp())
        return jwt.JWTClaimsRegistry(now=now, leeway=LEEWAY_SECONDS, **options)


def key_set(document: JSONObject) -> KeySet:
    """The keys of a JWKS document."""
    return KeySet.import_key_set({"keys": document.get("keys", [])})


def _identity(provider: IdentityProvider, claims: dict[str, Any]) -> AdminIdentity:
    role, subject = claims.get("role"), claims.get("sub", "unnamed")
    if not isinstance(role, str) or not isinstance(subject, str):
        raise UnauthenticatedError("this bearer token is not accepted")
    return AdminIdentity(f"{subject[:64]}@{provider.name}", role)
