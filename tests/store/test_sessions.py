"""Attested sessions: one for each session, one for each nonce."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from store.every_port import Stores
from store.threads import at_once

from app.broker.sessions import AttestedSession
from app.trust.errors import UsedNonceError


@pytest.fixture
def session(now: datetime) -> AttestedSession:
    """An attested session."""
    return AttestedSession("a" * 64, "b" * 64, "thumbprint", b"\x01sealed\x00token", now)


def add(stores: Stores, session: AttestedSession) -> None:
    """Write a session down in a transaction of its own."""
    with stores.transaction():
        stores.sessions.add(session)


def test_an_unknown_session_finds_nothing(stores: Stores) -> None:
    """A digest that never vouched stands for nothing."""
    assert stores.sessions.find("0" * 64) is None


@pytest.mark.parametrize("other", [{"session_digest": "c" * 64}, {"nonce_digest": "c" * 64}])
def test_a_session_and_its_nonce_vouch_once(
    stores: Stores, session: AttestedSession, other: dict[str, Any]
) -> None:
    """Neither the same nonce in another session nor the same session with another nonce."""
    add(stores, session)
    with pytest.raises(UsedNonceError):
        add(stores, replace(session, **other))
    assert stores.sessions.find(session.session_digest) == session


def test_of_concurrent_attestations_exactly_one_wins(sql: Stores, session: AttestedSession) -> None:
    """Two attestations of one session at the same moment: one session, one token."""

    def attest(number: int) -> bool:
        try:
            add(sql, replace(session, sealed_token=bytes([number])))
        except UsedNonceError:
            return False
        return True

    assert at_once(8, attest).count(True) == 1


def test_only_sessions_past_their_deadline_are_forgotten(
    stores: Stores, session: AttestedSession, now: datetime
) -> None:
    """The deadline itself is the first moment at which a session is over."""
    add(stores, session)
    later = replace(
        session,
        session_digest="c" * 64,
        nonce_digest="d" * 64,
        expires_at=now + timedelta(microseconds=1),
    )
    add(stores, later)
    with stores.transaction():
        assert stores.sessions.forget_expired(now) == 1
    assert stores.sessions.find(session.session_digest) is None
    assert stores.sessions.find(later.session_digest) == later
