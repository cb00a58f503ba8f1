"""Tickets: only those who hold the key can make one, and its time is what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import NOON, MemoryDatabase, MemoryKeys
from hypothesis import given
from hypothesis import strategies as st

from app.trust.errors import ConfigError, SealingError
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose, KeyState
from app.trust.tickets import (
    ISSUING_KEYS_MAX_AGE,
    ExpiredTicketError,
    TicketKey,
    TicketKeys,
    TicketKeySource,
    UnknownTicketError,
    issue_ticket,
    new_ticket_key,
    open_ticket,
    rotate_ticket_key,
    ticket_expiry,
)

PURPOSE = b"kbs-session"
LATER = NOON + timedelta(minutes=5)
OLD = TicketKey(b"old-key!", b"o" * 32)
NEW = TicketKey(b"new-key!", b"n" * 32)
SEALER = Sealer([KeyEncryptionKey(b"k" * 32)])
OVERLAP = timedelta(hours=1)


@pytest.fixture
def db() -> MemoryDatabase:
    """A database with a current session key."""
    db = MemoryDatabase()
    with db.transactions():
        MemoryKeys(db).add(new_ticket_key(SEALER, KeyPurpose.SESSION, NOON))
    return db


def source(db: MemoryDatabase) -> TicketKeySource:
    """The session keys of a database."""
    return TicketKeySource(MemoryKeys(db), SEALER, KeyPurpose.SESSION)


def test_refuses_a_flipped_bit_anywhere() -> None:
    """Format, key id, expiry, payload and code are all authenticated."""
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, PURPOSE, b"payload", LATER)
    for position in range(len(ticket) * 8):
        mutated = bytearray(ticket)
        mutated[position // 8] ^= 1 << position % 8
        with pytest.raises(UnknownTicketError):
            open_ticket(keys, PURPOSE, bytes(mutated), NOON)


def test_refuses_every_truncation() -> None:
    """What is shorter is no ticket, at every length."""
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, PURPOSE, b"payload", LATER)
    for length in range(len(ticket)):
        with pytest.raises(UnknownTicketError):
            open_ticket(keys, PURPOSE, ticket[:length], NOON)


@given(st.binary(max_size=200))
def test_refuses_whatever_was_not_issued(noise: bytes) -> None:
    """No bytes from outside open, and none of them breaks the parser."""
    with pytest.raises(UnknownTicketError):
        open_ticket(TicketKeys.of(NEW), PURPOSE, noise, NOON)


def test_refuses_another_purpose() -> None:
    """A nonce is no session cookie, under the same key."""
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, b"as-nonce", b"payload", LATER)
    with pytest.raises(UnknownTicketError):
        open_ticket(keys, PURPOSE, ticket, NOON)


def test_refuses_a_shifted_boundary_between_purpose_and_ticket() -> None:
    """The purpose's length is part of what is authenticated."""
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, b"kbs", b"payload", LATER)
    with pytest.raises(UnknownTicketError):
        open_ticket(keys, b"kbs\x01", ticket, NOON)


def test_refuses_a_ticket_at_its_expiry() -> None:
    """The expiry is the first moment at which it is over."""
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, PURPOSE, b"payload", LATER)
    assert open_ticket(keys, PURPOSE, ticket, LATER - timedelta(microseconds=1)) == b"payload"
    with pytest.raises(ExpiredTicketError):
        open_ticket(keys, PURPOSE, ticket, LATER)


def test_refuses_a_forged_expiry_before_it_looks_at_the_time() -> None:
    """Whether a ticket is known is decided first, so nothing leaks about forged ones."""
    ticket = issue_ticket(TicketKeys.of(OLD), PURPOSE, b"", NOON - timedelta(days=1))
    with pytest.raises(UnknownTicketError):
        open_ticket(TicketKeys.of(NEW), PURPOSE, ticket, NOON)


def test_refuses_an_oversized_ticket() -> None:
    """Nobody makes the server authenticate megabytes."""
    with pytest.raises(UnknownTicketError):
        open_ticket(TicketKeys.of(NEW), PURPOSE, b"\x01" + bytes(1_000_000), NOON)


@given(
    st.binary(max_size=256),
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=2_900_000)),
)
def test_gives_the_payload_back(payload: bytes, life: timedelta) -> None:
    """What was issued opens, with its expiry in whole seconds."""
    expires_at = NOON + life
    keys = TicketKeys.of(NEW)
    ticket = issue_ticket(keys, PURPOSE, payload, expires_at)
    assert open_ticket(keys, PURPOSE, ticket, NOON) == payload
    assert ticket_expiry(ticket) == expires_at.replace(microsecond=0)


def test_an_older_key_still_opens() -> None:
    """Rotation does not end what is in flight."""
    ticket = issue_ticket(TicketKeys.of(OLD), PURPOSE, b"payload", LATER)
    assert open_ticket(TicketKeys.of(NEW, OLD), PURPOSE, ticket, NOON) == b"payload"


def test_keys_do_not_show() -> None:
    """A key in a log would let everyone make tickets."""
    assert "nnnn" not in repr(TicketKeys.of(NEW, OLD))


def test_a_database_without_a_key_is_a_fault_of_the_operator(db: MemoryDatabase) -> None:
    """There is no fallback to a key that nobody shares."""
    challenges = TicketKeySource(MemoryKeys(db), SEALER, KeyPurpose.CHALLENGE)
    with pytest.raises(ConfigError):
        challenges.at(db.revisions)


def test_a_key_of_another_database_does_not_open(db: MemoryDatabase) -> None:
    """Keys rest sealed; without the key-encryption key they are nothing."""
    other = Sealer([KeyEncryptionKey(b"x" * 32)])
    with pytest.raises(SealingError):
        TicketKeySource(MemoryKeys(db), other, KeyPurpose.SESSION).at(db.revisions)


def test_rotation_keeps_tickets_for_the_overlap_and_not_longer(db: MemoryDatabase) -> None:
    """A retired key opens until the rotation after its overlap removes it."""
    keys = source(db)
    ticket = issue_ticket(keys.at(db.revisions), PURPOSE, b"payload", NOON + timedelta(days=9))
    for at in (NOON, NOON + OVERLAP):
        with db.transactions():
            rotate_ticket_key(MemoryKeys(db), SEALER, KeyPurpose.SESSION, at, OVERLAP)
        if at == NOON:
            assert open_ticket(keys.at(db.revisions), PURPOSE, ticket, NOON) == b"payload"
    with pytest.raises(UnknownTicketError):
        open_ticket(keys.at(db.revisions), PURPOSE, ticket, NOON)
    assert [key.state for key in db.keys] == [KeyState.RETIRED, KeyState.CURRENT]


def test_another_replica_opens_with_the_next_revision(db: MemoryDatabase) -> None:
    """A key that another replica made is known as soon as its revision is."""
    here, there = source(db), source(db)
    here.at(db.revisions)
    with db.transactions():
        rotate_ticket_key(MemoryKeys(db), SEALER, KeyPurpose.SESSION, NOON, OVERLAP)
    ticket = issue_ticket(there.at(db.revisions), PURPOSE, b"payload", LATER)
    assert open_ticket(here.at(db.revisions), PURPOSE, ticket, NOON) == b"payload"


def test_issuing_reads_keys_once_a_minute(db: MemoryDatabase) -> None:
    """A flood of challenges is no flood of statements."""
    store = MemoryKeys(db)
    keys = TicketKeySource(store, SEALER, KeyPurpose.SESSION)
    for seconds in range(int(ISSUING_KEYS_MAX_AGE.total_seconds())):
        keys.for_issuing(NOON + timedelta(seconds=seconds))
    assert store.reads == 1
    keys.for_issuing(NOON + ISSUING_KEYS_MAX_AGE)
    assert store.reads == 2


def test_issuing_follows_a_clock_that_was_set_back(db: MemoryDatabase) -> None:
    """Keys from the future are read again instead of being kept for ever."""
    store = MemoryKeys(db)
    keys = TicketKeySource(store, SEALER, KeyPurpose.SESSION)
    keys.for_issuing(NOON)
    keys.for_issuing(NOON - timedelta(days=1))
    assert store.reads == 2
