"""The handshake: nothing is written at its start, and one transaction ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from broker.world import LIFETIME, World
from fakes import NOON
from minting import tee_key

from app.broker.handshake import new_nonce
from app.trust.appraiser import AppraisalRequest, Appraised
from app.trust.decisions import Outcome
from app.trust.errors import (
    AppraiserUnavailableError,
    AttestedSessionError,
    BindingMismatchError,
    ExpiredSessionError,
    MissingSessionError,
    NonceMismatchError,
    ProtocolVersionError,
    StoreUnavailableError,
    UnknownSessionError,
    UsedNonceError,
)
from app.trust.json_types import JSONValue
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import rotate_ticket_key
from guest.wire.messages import Request


@pytest.mark.parametrize(
    "version", ["0.5.0", "1.0.0", "0.4.0-alpha", "0.0.9", "0.1.1", "0.2.0", "banana", ""]
)
def test_refuses_versions_that_cannot_be_served(world: World, version: str) -> None:
    """A guest of the future is told at once."""
    with pytest.raises(ProtocolVersionError):
        world.broker.authenticate(Request(version, "snp", ""))


@pytest.mark.parametrize("version", ["0.4.0", "0.4.1", "0.3.0", "0.4.0+build"])
def test_serves_this_version_and_older_ones(world: World, version: str) -> None:
    """Guests in the field speak 0.4.0, and some an older one."""
    world.broker.authenticate(Request(version, "snp", ""))


def test_a_flood_of_challenges_writes_nothing(world: World) -> None:
    """Unauthenticated calls leave no trace in the store (wire.md 14.1, 4)."""
    before = world.db.commits, world.keys.reads, world.revisions.reads, world.sessions.reads
    for _ in range(100):
        world.begin()
    commits, keys, revisions, sessions = before
    assert world.db.commits == commits
    assert world.keys.reads == keys + 1
    assert (world.revisions.reads, world.sessions.reads) == (revisions, sessions)


def test_a_tee_may_bring_its_own_challenge(world: World) -> None:
    """A verifier's document takes the place of the nonce (wire.md 2.7)."""
    world.appraiser.own_nonce = '{"request_blob": "AA=="}'
    cookie, nonce = world.begin()
    assert nonce == world.appraiser.own_nonce
    world.broker.attest(cookie, world.attestation(nonce))


def test_refuses_to_attest_without_a_session(world: World) -> None:
    """The cookie is what ties evidence to a challenge."""
    _, nonce = world.begin()
    for cookie, error in ((None, MissingSessionError), ("0" * 32, UnknownSessionError)):
        with pytest.raises(error):
            world.broker.attest(cookie, world.attestation(nonce))
    assert not world.appraiser.asked


def test_refuses_another_nonce_before_looking_at_evidence(world: World) -> None:
    """Verification is expensive; whoever has no nonce does not cause it."""
    cookie, _ = world.begin()
    with pytest.raises(NonceMismatchError):
        world.broker.attest(cookie, world.attestation(new_nonce()))
    assert not world.appraiser.asked


def test_refuses_an_expired_session(world: World) -> None:
    """A handshake has until its deadline."""
    cookie, nonce = world.begin()
    world.clock.forward(seconds=LIFETIME.total_seconds())
    with pytest.raises(ExpiredSessionError):
        world.broker.attest(cookie, world.attestation(nonce))


@pytest.mark.parametrize("error", [BindingMismatchError, AppraiserUnavailableError])
def test_a_refused_offer_leaves_the_session_challenged(world: World, error: Any) -> None:
    """A guest may correct itself with the same nonce."""
    cookie, nonce = world.begin()
    world.appraiser.refusal = error("no")
    with pytest.raises(error):
        world.broker.attest(cookie, world.attestation(nonce))
    assert not world.db.sessions
    world.appraiser.refusal = None
    world.broker.attest(cookie, world.attestation(nonce))


def test_attests_with_one_transaction(world: World) -> None:
    """The session with its token and the record of the appraisal are written together."""
    cookie, nonce = world.begin()
    commits = world.db.commits
    attested = world.broker.attest(cookie, world.attestation(nonce))
    assert world.db.commits == commits + 1
    assert (attested.token, attested.tee) == (world.appraiser.token, "sample")
    assert attested.decision_id == world.db.decisions[-1].decision_id
    assert attested.expires_at == NOON + LIFETIME
    request = world.appraiser.asked[0]
    assert (request.policy_id, request.nonce) == ("default", nonce)


def test_a_token_rests_sealed(world: World) -> None:
    """Neither the token nor session id nor nonce is in the store."""
    cookie, nonce = world.begin()
    world.broker.attest(cookie, world.attestation(nonce))
    (session,) = world.db.sessions.values()
    assert world.appraiser.token.encode() not in session.sealed_token
    assert nonce not in repr(session)
    assert cookie not in repr(session)


def test_when_the_store_is_down_nothing_is_attested(world: World) -> None:
    """Without a record there is no token."""
    cookie, nonce = world.begin()
    world.db.down = True
    with pytest.raises(StoreUnavailableError):
        world.broker.attest(cookie, world.attestation(nonce))
    world.db.down = False
    assert not world.db.sessions
    world.broker.attest(cookie, world.attestation(nonce))


def test_an_attested_session_returns_its_own_token(world: World) -> None:
    """A guest whose answer was lost gets it again, and nothing is appraised."""
    cookie, nonce = world.begin()
    first = world.broker.attest(cookie, world.attestation(nonce))
    world.appraiser.token = "another.token.entirely"
    again = world.new_replica().attest(cookie, world.attestation(nonce))
    assert again == replace(first, decision_id=None)
    assert len(world.appraiser.asked) == 1


@pytest.mark.parametrize("change", ["nonce", "key"])
def test_an_attested_session_has_nothing_for_anyone_else(world: World, change: str) -> None:
    """Trustee returns the old token whatever is sent (wire.md 14.1, 6)."""
    cookie, nonce = world.begin()
    world.broker.attest(cookie, world.attestation(nonce))
    changed: Any = {"nonce": {"nonce": new_nonce()}, "key": {"tee_pubkey": tee_key()[1]}}[change]
    with pytest.raises(AttestedSessionError):
        world.broker.attest(cookie, replace(world.attestation(nonce), **changed))


@dataclass
class SlowAppraiser:
    """Takes so long that another request with the same nonce is answered first."""

    world: World
    meanwhile: Callable[[], object]

    def challenge(self, tee: str, parameters: JSONValue) -> tuple[str | None, JSONValue]:
        """A plain nonce."""
        return None, ""

    def appraise(self, request: AppraisalRequest) -> Appraised:
        """The other's answer first, then this one's."""
        self.meanwhile()
        return self.world.appraiser.appraise(request)


def test_of_two_concurrent_offers_one_loses(world: World) -> None:
    """Both were verified; the nonce vouches once, and the loser's record says so."""
    cookie, nonce = world.begin()
    slow = SlowAppraiser(world, lambda: world.broker.attest(cookie, world.attestation(nonce)))
    loser = replace(world.broker.handshakes, appraiser=slow)
    with pytest.raises(UsedNonceError) as caught:
        loser.attest(cookie, world.attestation(nonce))
    assert len(world.db.sessions) == 1
    won, lost = world.db.decisions
    assert (won.outcome, lost.outcome) == (Outcome.ALLOWED, Outcome.DENIED)
    assert (lost.reason, lost.token_id) == ("nonce-used", None)
    assert caught.value.decision_id == lost.decision_id


def test_rotating_the_session_key_does_not_end_handshakes(world: World) -> None:
    """A cookie under a retired key is good until its own deadline."""
    cookie, nonce = world.begin()
    with world.db.transactions():
        rotate_ticket_key(world.keys, world.sealer, KeyPurpose.SESSION, NOON, timedelta(hours=1))
    world.broker.attest(cookie, world.attestation(nonce))
