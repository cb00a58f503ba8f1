"""Nonces of the Attestation Service: issued without a write, consumed exactly once."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from app.trust.errors import ExpiredNonceError, UnknownNonceError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.revisions import Revisions
from app.trust.tickets import (
    ExpiredTicketError,
    TicketKeySource,
    UnknownTicketError,
    issue_ticket,
    open_ticket,
    ticket_expiry,
)
from guest.wire.canonical import canonical_json
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.members import text_member
from guest.wire.strict_json import parse_json_object

_PURPOSE = b"attestation nonce"
# RFC 9334, section 10.3, asks for nonces that cannot be guessed; 256 bits, as upstream's.
_RANDOM_BYTES = 32
# Where a TEE's own challenge carries the nonce that makes it one of this service's.
_MEMBER = "as_nonce"
_MAX_NONCE_CHARACTERS = 1024


class ConsumedNonceStore(Protocol):
    """Which nonces have vouched."""

    def consume(self, nonce_digest: str, expires_at: datetime) -> None:
        """Write down that a nonce has vouched, inside the caller's transaction.

        Args:
            nonce_digest: SHA-256 of the nonce, hex.
            expires_at: when the nonce's own time is over and the row may be forgotten.

        Raises:
            UsedNonceError: it has vouched before.
        """
        ...

    def forget_expired(self, now: datetime) -> int:
        """Drop rows of nonces that are expired anyway; how many."""
        ...


@dataclass(frozen=True, slots=True)
class IssuedChallenge:
    """What a guest gets before it attests.

    Attributes:
        nonce: text to be bound into the evidence; of a TEE with a challenge of its own, that.
        extra_params: ``""``, or an object that selects a hash algorithm.
        expires_at: until when the nonce is good.
    """

    nonce: str = field(repr=False)
    extra_params: JSONValue
    expires_at: datetime

    def as_json(self) -> JSONObject:
        """The response of ``POST /challenge``."""
        members: JSONObject = {"nonce": self.nonce, "extra-params": self.extra_params}
        return members | {"expires_at": self.expires_at.isoformat()}


@dataclass(frozen=True, slots=True)
class OpenNonce:
    """A nonce that was issued here and is still good.

    Attributes:
        text: as it goes into the token.
        digest: SHA-256 of the nonce, within a TEE's own challenge of that in it, hex; what is
            written down when it has vouched.
        expires_at: until when it is good.
    """

    text: str = field(repr=False)
    digest: str
    expires_at: datetime


class Challenges:
    """Issues nonces and knows its own."""

    def __init__(self, keys: TicketKeySource, lifetime: timedelta) -> None:
        """Take the keys of purpose ``CHALLENGE`` and how long a nonce is good."""
        self._keys = keys
        self._lifetime = lifetime

    def issue(self, now: datetime) -> IssuedChallenge:
        """A fresh nonce: base64 of a ticket with 32 random bytes. Nothing is written."""
        return self._issue(_PURPOSE, now)

    def _issue(self, purpose: bytes, now: datetime) -> IssuedChallenge:
        expires_at = (now + self._lifetime).replace(microsecond=0)
        random = secrets.token_bytes(_RANDOM_BYTES)
        ticket = issue_ticket(self._keys.for_issuing(now), purpose, random, expires_at)
        return IssuedChallenge(b64_encode(ticket), "", expires_at)

    def issue_within(
        self, document: str, extra_params: JSONValue, now: datetime
    ) -> IssuedChallenge:
        """A TEE's own challenge with a fresh nonce in it; guests pass over what they do not know.

        Evidence is bound to the whole text, and the nonce to the rest of the document, so a nonce
        cannot be moved into another one.

        Args:
            document: the text of a JSON object.
            extra_params: for the guest.
            now: the time.
        """
        plain = parse_json_object(document)
        issued = self._issue(_purpose_of(plain), now)
        members = plain | {_MEMBER: issued.nonce}
        text = json.dumps(members, separators=(",", ":"))
        return IssuedChallenge(text, extra_params, issued.expires_at)

    def open(self, nonce: str, now: datetime, revisions: Revisions) -> OpenNonce:
        """A nonce that came back, or a TEE's own challenge with one in it.

        Raises:
            UnknownNonceError: it was not issued here.
            ExpiredNonceError: it was, and its time is over.
        """
        try:
            purpose, own = _own_nonce(nonce)
            ticket = b64_decode(own)
            open_ticket(self._keys.at(revisions), purpose, ticket, now)
        except (WireError, UnknownTicketError) as error:
            raise UnknownNonceError("the nonce was not issued here") from error
        except ExpiredTicketError as error:
            raise ExpiredNonceError("the nonce's time is over") from error
        digest = hashlib.sha256(own.encode("ascii")).hexdigest()
        return OpenNonce(nonce, digest, ticket_expiry(ticket))


def _own_nonce(text: str) -> tuple[bytes, str]:
    """What the nonce is for, and the nonce itself."""
    if not text.startswith("{"):
        return _PURPOSE, text
    members = parse_json_object(text)
    nonce = text_member(members, _MEMBER, limit=_MAX_NONCE_CHARACTERS)
    del members[_MEMBER]
    return _purpose_of(members), nonce


def _purpose_of(document: JSONObject) -> bytes:
    """A nonce within a challenge is for this challenge, whatever the order of its members."""
    return _PURPOSE + b" within " + hashlib.sha256(canonical_json(document)).digest()
