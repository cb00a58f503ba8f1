"""Tokens as the guest holds them: with the key they are bound to, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from guest.errors import MalformedTokenError
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.strict_json import parse_json_object

# Before the end of its life a token is no longer handed out, so that it survives the way to the
# KBS; a short life gives a tenth of itself.
LEEWAY = timedelta(seconds=30)
LEEWAY_SHARE = 10

_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TEEToken:
    """A token and the key pair that opens what is sealed for it.

    The guest does not verify the token: it cannot read anything that the token would not allow it
    to read, and the server it came from was checked by TLS.

    Attributes:
        token: compact JWS, unverified.
        key_pair: whose public key is in the token.
        renew_at: from when on it is not handed out any more, aware, UTC.
    """

    token: str = field(repr=False)
    key_pair: TEEKeyPair = field(repr=False)
    renew_at: datetime

    def as_json(self) -> dict[str, str]:
        """``{"token","tee_keypair"}``, as upstream's Attestation Agent answers."""
        return {"token": self.token, "tee_keypair": self.key_pair.to_pem()}


def renewal_time(token: str, received_at: datetime) -> datetime:
    """When a token that was received just now has to be renewed.

    A guest whose clock is behind the server's would keep a token too long by its ``exp`` alone, so
    the token's own length of life, counted from its receipt, bounds it too.

    Raises:
        MalformedTokenError: it is no JWT with a numeric ``exp``.
    """
    claims = _unverified_claims(token)
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise MalformedTokenError("the token has no expiry")
    issued_at = _time(claims, "iat") or received_at
    life = min(expires_at - issued_at, expires_at - received_at)
    life = max(life, timedelta())
    return min(received_at + life, _LATEST) - min(LEEWAY, life / LEEWAY_SHARE)


def _unverified_claims(token: str) -> JSONObject:
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedTokenError("the token is no JWT")
    try:
        return parse_json_object(b64url_decode(parts[1]))
    except WireError as error:
        raise MalformedTokenError("the token is no JWT") from error


def _time(claims: JSONObject, name: str) -> datetime | None:
    """A NumericDate (RFC 7519, section 2); beyond the calendar it is the end of it."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise MalformedTokenError(f"the token's {name} is no time")
    return datetime.fromtimestamp(min(value, _LATEST.timestamp()), UTC)
