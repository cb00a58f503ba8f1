"""Attestation tokens: verified in a fixed order of steps, each with a refusal of its own.

Trustee checks neither ``nbf`` nor ``iss`` nor ``aud`` (wire.md 14.1, 10); here a token is believed
only from an issuer that it names and that is trusted, under a key and an algorithm of that issuer,
in its time, and when it was made for us.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from app.broker.compact_tokens import UnverifiedToken, parse_compact_token
from app.broker.issuers import Issuer, IssuerSource
from app.broker.json_pointers import MISSING, resolve
from app.broker.verification_keys import VerificationKey
from app.trust.errors import (
    EarlyTokenError,
    ExpiredTokenError,
    MalformedTEEKeyError,
    MalformedTokenError,
    MissingTEEKeyError,
    TokenAlgorithmError,
    TokenAudienceError,
)
from app.trust.json_types import JSONObject
from app.trust.revisions import Revisions
from guest.wire.errors import WireError
from guest.wire.jwk import TEEPublicKey, parse_tee_public_key

# A guest presents the same token for each of its resources: its signature is checked once a key.
_REMEMBERED_TOKENS = 1024
# The year 9999 is the last one (RFC 3339), and leeway is added to what a token names.
_LATEST = 253_370_764_800


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that was verified.

    Attributes:
        claims: its payload; not to be changed.
        issuer: the name of its issuer.
        iss: the claim.
        token_id: its ``jti``, when it has one.
        expires_at: its ``exp``.
        tee_key_paths: where its TEE key may be.
    """

    claims: JSONObject = field(repr=False)
    issuer: str
    iss: str
    token_id: str | None
    expires_at: datetime
    tee_key_paths: tuple[str, ...]

    def tee_public_key(self) -> TEEPublicKey:
        """The key that responses are sealed to: the first that is found is the one (wire.md 4.4).

        Raises:
            MissingTEEKeyError: there is none.
            MalformedTEEKeyError: what is there is no key of an accepted form.
        """
        for path in self.tee_key_paths:
            found = resolve(self.claims, path)
            if found is MISSING:
                continue
            try:
                return parse_tee_public_key(found)
            except WireError as error:
                raise MalformedTEEKeyError(f"the TEE key in the token: {error}") from error
        raise MissingTEEKeyError("the token carries no TEE key to seal a response to")


class TokenVerifier:
    """Verifies tokens of the trusted issuers; safe to share between threads.

    Attributes:
        issuers: who is trusted.
    """

    def __init__(self, issuers: IssuerSource) -> None:
        """Take whom to trust."""
        self.issuers = issuers
        self._checked: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def verify(self, unverified_text: str, now: datetime, revisions: Revisions) -> VerifiedToken:
        """Carry out every check.

        Raises:
            MalformedTokenError: it is no compact JWS with the claims of a token.
            UntrustedIssuerError: its issuer is not trusted.
            TokenAlgorithmError: its algorithm is not accepted from the issuer, or not its key's.
            UnknownKeyError: the issuer has no such key.
            TokenChainError: its certificate chain is missing or leads elsewhere.
            TokenSignatureError: the signature does not verify.
            ExpiredTokenError, EarlyTokenError: now is not its time.
            TokenAudienceError: it was made for someone else.
            IssuerUnavailableError: the issuer's keys could not be fetched.
        """
        token = parse_compact_token(unverified_text)
        issuer = self.issuers.at(revisions).of(token)
        if token.algorithm not in issuer.algorithms:
            raise TokenAlgorithmError("the token's algorithm is not accepted from its issuer")
        key = issuer.keys.find(token, now, revisions)
        self._check_signature(token, key)
        claims = token.unverified_claims  # verified from here on
        expires_at = _check_times(claims, now, issuer.leeway)
        _check_audience(claims, issuer)
        token_id = claims.get("jti")
        return VerifiedToken(
            claims=claims,
            issuer=issuer.name,
            iss=issuer.iss,
            token_id=token_id if isinstance(token_id, str) else None,
            expires_at=expires_at,
            tee_key_paths=issuer.all_tee_key_paths,
        )

    def _check_signature(self, token: UnverifiedToken, key: VerificationKey) -> None:
        """Check it, or recall that these bytes were checked under this key.

        That a signature verifies is a fact of the bytes and the key alone; whether the key is still
        the issuer's was asked before.
        """
        fact = token.digest + key.thumbprint.encode() + token.algorithm.encode()
        with self._lock:
            if fact in self._checked:
                self._checked.move_to_end(fact)
                return
        key.verify(token)
        with self._lock:
            self._checked[fact] = None
            if len(self._checked) > _REMEMBERED_TOKENS:
                self._checked.popitem(last=False)


def _check_times(claims: JSONObject, now: datetime, leeway: timedelta) -> datetime:
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise MalformedTokenError("a token says when it expires")
    if now >= expires_at + leeway:
        raise ExpiredTokenError("the token's time is over")
    not_before = _instant(claims, "nbf")
    if not_before is not None and now < not_before - leeway:
        raise EarlyTokenError("the token's time has not begun")
    return expires_at


def _instant(claims: JSONObject, name: str) -> datetime | None:
    """A NumericDate (RFC 7519, section 2): seconds, possibly with a fraction."""
    value = claims.get(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= _LATEST:
        raise MalformedTokenError(f"the token's {name} is no date")
    return datetime.fromtimestamp(value, UTC)


def _check_audience(claims: JSONObject, issuer: Issuer) -> None:
    if issuer.audience is None:
        return
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    wanted = issuer.audience.encode()
    if not any(isinstance(name, str) and name.encode() == wanted for name in named):
        raise TokenAudienceError("the token was made for another audience")
