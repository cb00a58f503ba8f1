"""Tickets: authenticated, expiring values that cost the server nothing to issue.

A nonce of the Attestation Service and the session cookie of the Key Broker Service are tickets: who
holds the key can tell its own from any other, and nothing is written down before they have vouched
(design decision 2). A ticket is authenticated, not encrypted: its holder can read the payload.

Layout, lengths in bytes, numbers big-endian::

    1 format (0x01) | 8 key id | 5 expiry, seconds since 1970 | n payload | 32 HMAC-SHA256

The code covers the purpose, with its length before it, and everything that precedes the code; so a
ticket of one purpose is never one of another, not even under the same key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from app.trust.errors import ConfigError
from app.trust.revisions import RevisionCache, Revisions
from app.trust.sealing import Sealer
from app.trust.signing_keys import KeyPurpose, KeyState, KeyStore, StoredKey

# RFC 2104, section 3: no shorter than the output of the hash.
TICKET_KEY_BYTES = 32
# How old the keys may be that issue. A key that was retired meanwhile still opens tickets, so the
# overlap of a rotation must be longer than this and the longest life of a ticket together.
ISSUING_KEYS_MAX_AGE = timedelta(minutes=1)
# Far above the longest payload that is issued, far below what would be costly to authenticate.
MAX_TICKET_BYTES = 4096

_FORMAT = b"\x01"
_KEY_ID_BYTES = 8
_EXPIRY_BYTES = 5
_MAC_BYTES = 32
_HEADER_BYTES = len(_FORMAT) + _KEY_ID_BYTES + _EXPIRY_BYTES


class UnknownTicketError(Exception):
    """The ticket was not issued here for this purpose: its form, key or code is another."""


class ExpiredTicketError(Exception):
    """The ticket was issued here and its time is over."""


@dataclass(frozen=True, slots=True)
class TicketKey:
    """A symmetric key with its id.

    Attributes:
        key_id: 8 bytes, chosen at random; it tells nothing about the key.
        key: 32 bytes; never shown.
    """

    key_id: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TicketKeys:
    """The keys of one purpose at one moment.

    Attributes:
        current: issues.
        by_id: every key that still opens, the current one among them.
    """

    current: TicketKey
    by_id: Mapping[bytes, TicketKey]

    @classmethod
    def of(cls, current: TicketKey, *older: TicketKey) -> TicketKeys:
        """The current key, and older ones that still open."""
        return cls(current, MappingProxyType({key.key_id: key for key in (*older, current)}))


class TicketKeySource:
    """Loads the keys of one purpose from the database, at most once a revision."""

    def __init__(self, store: KeyStore, sealer: Sealer, purpose: KeyPurpose) -> None:
        """Take the store, what opens its keys, and which of them to load."""
        self._store = store
        self._sealer = sealer
        self._purpose = purpose
        self._cache = RevisionCache(self._load)
        self._recent: tuple[datetime, TicketKeys] | None = None

    def at(self, revisions: Revisions) -> TicketKeys:
        """The keys as of these revisions: what opens tickets.

        Raises:
            ConfigError: the purpose has no current key.
            SealingError: a key does not open.
            StoreUnavailableError: the database is out of reach.
        """
        return self._cache.get(revisions.signing_keys)

    def for_issuing(self, now: datetime) -> TicketKeys:
        """Keys that were loaded less than ``ISSUING_KEYS_MAX_AGE`` ago.

        Most requests for a challenge need no statement at all that way.

        Raises:
            ConfigError, SealingError, StoreUnavailableError: as ``at``.
        """
        recent = self._recent
        if recent is None or not timedelta() <= now - recent[0] < ISSUING_KEYS_MAX_AGE:
            recent = (now, self._load())
            self._recent = recent
        return recent[1]

    def _load(self) -> TicketKeys:
        current, older = None, []
        for stored in self._store.all(self._purpose):
            key = TicketKey(bytes.fromhex(stored.key_id), self._open(stored))
            if stored.state is KeyState.CURRENT:
                current = key
            else:
                older.append(key)
        if current is None:
            raise ConfigError([f"the database holds no current key for {self._purpose.value}s"])
        return TicketKeys.of(current, *older)

    def _open(self, stored: StoredKey) -> bytes:
        return self._sealer.open(stored.sealed_private, _associated(self._purpose, stored.key_id))


def issue_ticket(keys: TicketKeys, purpose: bytes, payload: bytes, expires_at: datetime) -> bytes:
    """A ticket for the payload, good until ``expires_at`` (whole seconds, rounded down)."""
    key = keys.current
    # Whole seconds first: far ahead, a timestamp with its fraction rounds up.
    expiry = int(expires_at.replace(microsecond=0).timestamp()).to_bytes(_EXPIRY_BYTES, "big")
    body = b"".join((_FORMAT, key.key_id, expiry, payload))
    assert len(body) + _MAC_BYTES <= MAX_TICKET_BYTES, "a ticket is small"
    return body + _code(key, purpose, body)


def open_ticket(keys: TicketKeys, purpose: bytes, ticket: bytes, now: datetime) -> bytes:
    """The payload of a ticket that was issued here, for this purpose, and is still good.

    Raises:
        UnknownTicketError: it was not issued here, or for another purpose.
        ExpiredTicketError: it was, and its time is over.
    """
    if not _HEADER_BYTES + _MAC_BYTES <= len(ticket) <= MAX_TICKET_BYTES or ticket[:1] != _FORMAT:
        raise UnknownTicketError("not a ticket")
    key = keys.by_id.get(ticket[1 : 1 + _KEY_ID_BYTES])
    if key is None:
        raise UnknownTicketError("a ticket under a key that is not here")
    body, code = ticket[:-_MAC_BYTES], ticket[-_MAC_BYTES:]
    if not hmac.compare_digest(code, _code(key, purpose, body)):
        raise UnknownTicketError("a ticket whose code does not verify")
    if now >= ticket_expiry(ticket):
        raise ExpiredTicketError("a ticket whose time is over")
    return body[_HEADER_BYTES:]


def ticket_expiry(ticket: bytes) -> datetime:
    """Until when a ticket is good; to be believed of tickets that ``open_ticket`` opened."""
    seconds = int.from_bytes(ticket[_HEADER_BYTES - _EXPIRY_BYTES : _HEADER_BYTES], "big")
    return datetime.fromtimestamp(seconds, UTC)


def new_ticket_key(sealer: Sealer, purpose: KeyPurpose, now: datetime) -> StoredKey:
    """A fresh current key of a purpose, sealed, ready for ``KeyStore.add``."""
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    return StoredKey(
        key_id=key_id,
        purpose=purpose,
        state=KeyState.CURRENT,
        sealed_private=sealer.seal(
            secrets.token_bytes(TICKET_KEY_BYTES), _associated(purpose, key_id)
        ),
        public_jwk={},
        certificates="",
        created_at=now,
    )


def rotate_ticket_key(
    store: KeyStore, sealer: Sealer, purpose: KeyPurpose, now: datetime, overlap: timedelta
) -> StoredKey:
    """Replace the current key of a purpose, inside the caller's transaction.

    Args:
        store: where the keys live.
        sealer: what seals the new one.
        purpose: whose key it is.
        now: the time of the rotation.
        overlap: how long the old key still opens what it issued; longer than the life of a ticket
            and ``ISSUING_KEYS_MAX_AGE`` together.

    Returns:
        The new key. Keys whose overlap has passed are removed.
    """
    for stored in store.all(purpose):
        if stored.state is KeyState.CURRENT:
            store.set_state(stored.key_id, KeyState.RETIRED, now + overlap)
        elif stored.retires_at is not None and stored.retires_at <= now:
            store.remove(stored.key_id)
    key = new_ticket_key(sealer, purpose, now)
    store.add(key)
    return key


def _code(key: TicketKey, purpose: bytes, body: bytes) -> bytes:
    return hmac.digest(key.key, len(purpose).to_bytes(2, "big") + purpose + body, hashlib.sha256)


def _associated(purpose: KeyPurpose, key_id: str) -> bytes:
    return f"key/{purpose.value}/{key_id}".encode()
