"""Nonces of the Attestation Service: issued without a write, consumed exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


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
