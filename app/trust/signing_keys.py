"""Keys that live in the database, sealed: for signing tokens, and for challenges and cookies.

A signing key is *next* before it signs, *current* while it does, *retired* while tokens it signed
may still be valid. The key set that is published holds all three, so that verifiers know a key
before its first token and after its last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.trust.json_types import JSONObject


class KeyPurpose(StrEnum):
    """What a key is for."""

    TOKEN = "token"  # noqa: S105  (a purpose, not a password)
    TOKEN_CA = "token-ca"  # noqa: S105
    CHALLENGE = "challenge"
    SESSION = "session"
    CONSOLE = "console"


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it rests.

    Attributes:
        key_id: for token keys the RFC 7638 SHA-256 thumbprint, base64url; otherwise 16 hex digits.
        sealed_private: private material, sealed with associated data ``key/<purpose>/<key_id>``:
            PKCS#8 DER of asymmetric keys, the raw bytes of symmetric ones.
        public_jwk: the public JWK without ``x5c``; empty for symmetric keys.
        certificates: PEM, leaf first, empty when there is none.
        retires_at: when a retired key leaves the key set; ``None`` before it retires.
    """

    key_id: str
    purpose: KeyPurpose
    state: KeyState
    sealed_private: bytes
    public_jwk: JSONObject
    certificates: str
    created_at: datetime
    retires_at: datetime | None = None


class KeyStore(Protocol):
    """Where keys live."""

    def all(self, purpose: KeyPurpose) -> list[StoredKey]:
        """Every key of a purpose, newest first."""
        ...

    def add(self, key: StoredKey) -> None:
        """Add a key; raises the ``signing_keys`` revision.

        Raises:
            ConflictError: the key id is taken, or the purpose has a key in a state of which there
                can be one only (``next``, ``current``).
        """
        ...

    def set_state(self, key_id: str, state: KeyState, retires_at: datetime | None = None) -> None:
        """Move a key through its life; raises the ``signing_keys`` revision."""
        ...

    def remove(self, key_id: str) -> None:
        """Forget a key; raises the ``signing_keys`` revision."""
        ...

    def replace_sealed(self, key_id: str, sealed_private: bytes) -> None:
        """Store the rewrapped private material of a key."""
        ...
