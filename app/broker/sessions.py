"""Attested sessions of the handshake: what a session cookie stands for once it has vouched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AttestedSession:
    """A session whose attestation succeeded.

    Attributes:
        session_digest: SHA-256 of the session id, hex; the id itself rests nowhere.
        nonce_digest: SHA-256 of the nonce that vouched, hex; unique.
        key_thumbprint: RFC 7638 SHA-256 thumbprint of the TEE's public key, base64url.
        sealed_token: the token, sealed with associated data ``session/<session_digest>``.
        expires_at: the session's deadline, set when it was challenged and never extended.
    """

    session_digest: str
    nonce_digest: str
    key_thumbprint: str
    sealed_token: bytes
    expires_at: datetime


class SessionStore(Protocol):
    """Where attested sessions live."""

    def find(self, session_digest: str) -> AttestedSession | None:
        """The session, expired or not."""
        ...

    def add(self, session: AttestedSession) -> None:
        """Write down that a session is attested, inside the caller's transaction.

        Raises:
            UsedNonceError: the session or its nonce has vouched before.
        """
        ...

    def forget_expired(self, now: datetime) -> int:
        """Drop sessions whose deadline has passed; how many."""
        ...
