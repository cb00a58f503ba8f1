"""Consumed nonces: exactly once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from store.every_port import Stores, failing
from store.threads import at_once

from app.trust.errors import UsedNonceError

DIGEST = "d" * 64


def consume(stores: Stores, expires_at: datetime, digest: str = DIGEST) -> None:
    """Use a nonce in a transaction of its own."""
    with stores.transaction():
        stores.nonces.consume(digest, expires_at)


def test_a_nonce_vouches_once(stores: Stores, now: datetime) -> None:
    """The second use is refused."""
    consume(stores, now)
    with pytest.raises(UsedNonceError):
        consume(stores, now)


def test_of_concurrent_uses_exactly_one_wins(sql: Stores, now: datetime) -> None:
    """However many present one nonce at the same moment, one token is made."""

    def use(_: int) -> bool:
        try:
            consume(sql, now)
        except UsedNonceError:
            return False
        return True

    assert at_once(8, use).count(True) == 1


def test_a_nonce_of_a_transaction_that_failed_is_free(stores: Stores, now: datetime) -> None:
    """A nonce whose attestation was not recorded has not vouched."""
    with failing(stores):
        stores.nonces.consume(DIGEST, now)
    consume(stores, now)


def test_only_expired_nonces_are_forgotten(stores: Stores, now: datetime) -> None:
    """Until a nonce's own time is over, its row is what refuses it."""
    consume(stores, now, "a" * 64)
    consume(stores, now + timedelta(microseconds=1), "b" * 64)
    with stores.transaction():
        assert stores.nonces.forget_expired(now) == 1
    consume(stores, now, "a" * 64)
    with pytest.raises(UsedNonceError):
        consume(stores, now, "b" * 64)
