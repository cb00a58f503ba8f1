"""Tokens as they come in: a compact JWS taken apart, nothing in it believed (RFC 7515, 7.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from app.trust.errors import MalformedTokenError, TokenAlgorithmError
from app.trust.json_types import JSONObject
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

# Tokens repeat the evidence of devices (wire.md 14.1, 28), so they can be long; a session's token
# does not pass through a header, so only this bounds it.
MAX_TOKEN_CHARACTERS = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token before its signature is checked.

    Attributes:
        digest: SHA-256 of its text; names it in caches.
        unverified_header: the protected header.
        unverified_claims: the payload.
        signing_input: what the signature covers, ASCII.
        signature: raw bytes.
    """

    digest: bytes
    unverified_header: JSONObject = field(repr=False)
    unverified_claims: JSONObject = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """``alg`` of the header; the empty text when it is missing or no text."""
        return _text(self.unverified_header.get("alg")) or ""

    @property
    def key_id(self) -> str | None:
        """``kid`` of the header, when it is text."""
        return _text(self.unverified_header.get("kid"))

    @property
    def issuer(self) -> str | None:
        """``iss`` of the payload, when it is text."""
        return _text(self.unverified_claims.get("iss"))


def parse_compact_token(text: str) -> UnverifiedToken:
    """Take a token apart.

    Raises:
        MalformedTokenError: it is not three base64url segments with JSON objects in the first two.
        TokenAlgorithmError: its header demands extensions (``crit``), and none is known here.
    """
    segments = text.split(".") if len(text) <= MAX_TOKEN_CHARACTERS else []
    if len(segments) != 3:
        raise MalformedTokenError("a token has three segments separated by dots")
    try:
        header = parse_json_object(b64url_decode(segments[0]))
        claims = parse_json_object(b64url_decode(segments[1]))
        signature = b64url_decode(segments[2])
    except WireError as error:
        raise MalformedTokenError("a token is base64url of a header, claims and a signature") from (
            error
        )
    if "crit" in header:
        raise TokenAlgorithmError("the token demands extensions that are not known here")
    encoded = text.encode("ascii")  # cannot fail: every segment was base64url
    return UnverifiedToken(
        digest=hashlib.sha256(encoded).digest(),
        unverified_header=header,
        unverified_claims=claims,
        signing_input=encoded[: encoded.rindex(b".")],
        signature=signature,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
