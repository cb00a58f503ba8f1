"""Nonces: issued without a write, recognised, and gone when their time is over."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from fakes import NOON, MemoryDatabase, MemoryKeys

from app.attestation.challenges import Challenges
from app.trust.errors import ExpiredNonceError, UnknownNonceError
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import TicketKeySource, issue_ticket, new_ticket_key
from guest.wire.encoding import b64_decode, b64_encode


class Bench:
    """Challenges on a database in memory."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        store, sealer = MemoryKeys(self.db), Sealer([KeyEncryptionKey(b"k" * 32)])
        with self.db.transactions():
            store.add(new_ticket_key(sealer, KeyPurpose.CHALLENGE, NOON))
        self.keys = TicketKeySource(store, sealer, KeyPurpose.CHALLENGE)
        self.challenges = Challenges(self.keys, timedelta(minutes=5))


@pytest.fixture
def bench() -> Bench:
    """Challenges with a key."""
    return Bench()


def test_a_nonce_of_another_server_is_unknown(bench: Bench) -> None:
    """It was issued under another key."""
    nonce = Bench().challenges.issue(NOON).nonce
    with pytest.raises(UnknownNonceError):
        bench.challenges.open(nonce, NOON, bench.db.revisions)


def test_a_ticket_of_another_purpose_is_unknown(bench: Bench) -> None:
    """A session cookie is no nonce, even under the same key."""
    ticket = issue_ticket(bench.keys.for_issuing(NOON), b"session", b"", NOON + timedelta(hours=1))
    with pytest.raises(UnknownNonceError):
        bench.challenges.open(b64_encode(ticket), NOON, bench.db.revisions)


@pytest.mark.parametrize("text", ["", "?", "bm9uY2U=", "bm9uY2U", "\ud800", "é", " ", "A" * 10_000])
def test_any_other_text_is_unknown(bench: Bench, text: str) -> None:
    """Whatever a guest sends is refused with one reason."""
    with pytest.raises(UnknownNonceError):
        bench.challenges.open(text, NOON, bench.db.revisions)


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"as_nonce":1}', '{"as_nonce":"bm9uY2U="}', '{"as_nonce":"","as_nonce":""}'],
)
def test_a_document_without_a_nonce_of_ours_is_unknown(bench: Bench, text: str) -> None:
    """A challenge of a TEE's own that another server made, or nobody."""
    with pytest.raises(UnknownNonceError):
        bench.challenges.open(text, NOON, bench.db.revisions)


def test_a_nonce_vouches_once_however_its_document_is_written(bench: Bench) -> None:
    """What is written down is the nonce, so that rewording the document around it is no second."""
    issued = bench.challenges.issue_within('{"request_blob":"AA=="}', {"a": 1}, NOON)
    found = json.loads(issued.nonce)
    assert (found["request_blob"], issued.extra_params) == ("AA==", {"a": 1})
    opened = bench.challenges.open(issued.nonce, NOON, bench.db.revisions)
    assert opened.text == issued.nonce
    for other in (json.dumps(found), json.dumps(dict(reversed(found.items())))):
        again = bench.challenges.open(other, NOON, bench.db.revisions)
        assert again.digest == opened.digest
    with pytest.raises(ExpiredNonceError):
        bench.challenges.open(issued.nonce, NOON + timedelta(hours=1), bench.db.revisions)


def test_every_bit_of_a_nonce_counts(bench: Bench) -> None:
    """Random part, expiry and code are authenticated."""
    raw = bytearray(b64_decode(bench.challenges.issue(NOON).nonce))
    for position in range(len(raw)):
        raw[position] ^= 1
        with pytest.raises(UnknownNonceError):
            bench.challenges.open(b64_encode(bytes(raw)), NOON, bench.db.revisions)
        raw[position] ^= 1


def test_a_nonce_expires(bench: Bench) -> None:
    """To the second."""
    issued = bench.challenges.issue(NOON)
    assert issued.expires_at == NOON + timedelta(minutes=5)
    last = issued.expires_at - timedelta(microseconds=1)
    opened = bench.challenges.open(issued.nonce, last, bench.db.revisions)
    assert opened.expires_at == issued.expires_at
    with pytest.raises(ExpiredNonceError):
        bench.challenges.open(issued.nonce, issued.expires_at, bench.db.revisions)


def test_issuing_writes_nothing_and_repeats_nothing(bench: Bench) -> None:
    """A flood of requests for challenges fills nothing."""
    commits = bench.db.commits
    nonces = {bench.challenges.issue(NOON).nonce for _ in range(100)}
    assert len(nonces) == 100
    assert bench.db.commits == commits


def test_a_nonce_is_not_shown(bench: Bench) -> None:
    """Representations end up in logs."""
    issued = bench.challenges.issue(NOON)
    opened = bench.challenges.open(issued.nonce, NOON, bench.db.revisions)
    assert issued.nonce not in repr(issued) + repr(opened)
    assert issued.as_json() == {
        "nonce": issued.nonce,
        "extra-params": "",
        "expires_at": "2026-03-01T12:05:00+00:00",
    }


def test_a_nonce_is_for_its_own_challenge(bench: Bench) -> None:
    """Whoever moves it into a request of their own has none; the order of members is nothing."""
    issued = bench.challenges.issue_within('{"request_blob":"AA==","size":64}', "", NOON)
    found = json.loads(issued.nonce)
    turned = json.dumps(dict(reversed(found.items())))
    assert bench.challenges.open(turned, NOON, bench.db.revisions)
    plain = bench.challenges.issue(NOON).nonce
    with pytest.raises(UnknownNonceError):
        bench.challenges.open(found["as_nonce"], NOON, bench.db.revisions)
    for changed in (
        found | {"request_blob": "AQ=="},
        found | {"size": 65},
        found | {"more": 1},
        found | {"as_nonce": plain},
        {"as_nonce": found["as_nonce"]},
    ):
        with pytest.raises(UnknownNonceError):
            bench.challenges.open(json.dumps(changed), NOON, bench.db.revisions)
