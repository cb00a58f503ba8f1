"""The transition table: closed, complete, and without a way back."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from minting import tee_key

from app.broker import handshake
from app.broker.handshake import REFUSALS, STEPS, Action, Event, State
from app.broker.sessions import AttestedSession
from app.trust.errors import (
    AttestedSessionError,
    ExpiredSessionError,
    MalformedEvidenceError,
    MissingSessionError,
    NonceMismatchError,
    SessionError,
    UnknownSessionError,
)
from app.trust.tickets import TicketKey, TicketKeys, issue_ticket
from guest.wire.encoding import b64_decode, b64url_decode, b64url_encode
from guest.wire.messages import Attestation, TEEEvidence

KEYS = TicketKeys.of(TicketKey(b"8 bytes!", b"k" * 32))
DEADLINE = NOON + timedelta(minutes=5)
NONCE = handshake.new_nonce()
SESSION = handshake.begin("snp", NONCE, DEADLINE)
_, KEY = tee_key()
_, OTHER_KEY = tee_key()


def attestation(
    nonce: str = NONCE, key: object = KEY, additional: str = "", toml: str | None = None
) -> Attestation:
    """What a guest answers."""
    return Attestation(toml, nonce, key, TEEEvidence({"report": 1}, additional))  # type: ignore[arg-type]


ATTESTED = handshake.attested_session(SESSION, attestation(), b"sealed")


def test_every_pair_of_state_and_event_is_decided_once() -> None:
    """Nothing is left open, and nothing is both allowed and refused."""
    assert STEPS.keys() | REFUSALS.keys() == set(product(State, Event))
    assert not STEPS.keys() & REFUSALS.keys()


def test_nothing_leads_back_from_attested() -> None:
    """An attested session stays attested until its deadline."""
    after = {step.state for (state, _), step in STEPS.items() if state is State.ATTESTED}
    assert after == {State.ATTESTED}


def test_only_a_verified_offer_makes_a_session_attested() -> None:
    """There is one way in."""
    ways = [
        event
        for (state, event), step in STEPS.items()
        if state is State.CHALLENGED and step.state is State.ATTESTED
    ]
    assert ways == [Event.VOUCHED]


@pytest.mark.parametrize(("pair", "error"), REFUSALS.items())
def test_refuses_out_of_order(pair: tuple[State, Event], error: type[SessionError]) -> None:
    """Each refusal is the error that the table names."""
    with pytest.raises(error) as caught:
        handshake.step(*pair)
    assert type(caught.value) is error


class AnySession(RuleBasedStateMachine):
    """Whatever order events come in, a token is kept once and returned only after that."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.CHALLENGED
        self.kept = 0

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        """Let anything happen."""
        try:
            step = handshake.step(self.state, event)
        except SessionError:
            return
        if step.action is Action.RETURN_TOKEN:
            assert self.kept == 1
        self.kept += step.action is Action.KEEP_TOKEN
        self.state = step.state

    @invariant()
    def attested_means_kept(self) -> None:
        """The state and what was written down agree."""
        assert self.kept == (self.state is State.ATTESTED)


AnySession.TestCase.settings = settings(max_examples=50, stateful_step_count=20)
TestAnySession = AnySession.TestCase


@pytest.mark.parametrize(
    ("attested", "offered", "error"),
    [
        (None, attestation(nonce=handshake.new_nonce()), NonceMismatchError),
        (None, attestation(nonce=""), NonceMismatchError),
        (None, attestation(nonce=NONCE + "="), NonceMismatchError),
        (None, attestation(nonce=NONCE.lower()), NonceMismatchError),
        (None, attestation(nonce="\u00e4"), NonceMismatchError),
        (ATTESTED, attestation(nonce=handshake.new_nonce()), AttestedSessionError),
        (ATTESTED, attestation(key=OTHER_KEY), AttestedSessionError),
    ],
    ids=["other", "empty", "longer", "lower case", "not ascii", "attested, nonce", "attested, key"],
)
def test_refuses_an_offer(
    attested: AttestedSession | None, offered: Attestation, error: type[SessionError]
) -> None:
    """An offer for another nonce or key is refused before any evidence is looked at."""
    with pytest.raises(error):
        handshake.step(*handshake.offer_event(SESSION, attested, offered))


def test_a_fresh_offer_is_appraised_and_a_repeated_one_gets_its_token() -> None:
    """The same nonce and key mean the same guest."""
    fresh = handshake.offer_event(SESSION, None, attestation())
    again = handshake.offer_event(SESSION, ATTESTED, attestation())
    assert handshake.step(*fresh).action is Action.APPRAISE
    assert handshake.step(*again).action is Action.RETURN_TOKEN


def test_a_cookie_carries_the_session() -> None:
    """What /auth knew, /attest knows, without a store in between."""
    cookie = handshake.seal_cookie(SESSION, KEYS)
    assert handshake.open_cookie(cookie, KEYS, NOON) == SESSION
    assert len(cookie) < 200


@pytest.mark.parametrize("cookie", [None, ""])
def test_refuses_a_missing_cookie(cookie: str | None) -> None:
    """Without a session there is nothing to attest."""
    with pytest.raises(MissingSessionError):
        handshake.open_cookie(cookie, KEYS, NOON)


def test_refuses_a_cookie_after_the_deadline() -> None:
    """The deadline is the challenge's, whenever the session was attested."""
    with pytest.raises(ExpiredSessionError):
        handshake.open_cookie(handshake.seal_cookie(SESSION, KEYS), KEYS, DEADLINE)


def test_refuses_a_cookie_of_another_purpose() -> None:
    """A nonce of the Attestation Service is no session."""
    ticket = issue_ticket(KEYS, b"as-nonce", bytes(48) + b"snp", DEADLINE)
    with pytest.raises(UnknownSessionError):
        handshake.open_cookie(b64url_encode(ticket), KEYS, NOON)


def test_refuses_every_changed_cookie() -> None:
    """A guest cannot choose its TEE, its nonce or its deadline."""
    ticket = bytearray(b64url_decode(handshake.seal_cookie(SESSION, KEYS)))
    for position in range(len(ticket)):
        ticket[position] ^= 1
        with pytest.raises(UnknownSessionError):
            handshake.open_cookie(b64url_encode(bytes(ticket)), KEYS, NOON)
        ticket[position] ^= 1


@given(st.text(min_size=1, max_size=200))
@settings(max_examples=100)
def test_refuses_noise_for_a_cookie(text: str) -> None:
    """Trustee's session ids, and anything else, are unknown here."""
    with pytest.raises(UnknownSessionError):
        handshake.open_cookie(text, KEYS, NOON)


def test_nonces_are_32_random_bytes_in_44_characters() -> None:
    """As Trustee's guests expect them (wire.md 2.2)."""
    nonces = {handshake.new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {(len(nonce), len(b64_decode(nonce))) for nonce in nonces} == {(44, 32)}


def test_what_the_cookie_hides_does_not_show() -> None:
    """Session id and nonce stay out of logs."""
    shown = repr(SESSION)
    assert SESSION.session_id.hex() not in shown
    assert repr(SESSION.session_id) not in shown
    assert repr(SESSION.nonce_digest) not in shown


def test_evidence_is_bound_to_nonce_key_and_devices() -> None:
    """The primary evidence binds the text of its devices, a device binds no other (wire.md 2.5)."""
    additional = '{"nvidia": {"a": 1}, "sampledevice": 2}'
    offered = attestation(additional=additional, toml="text")
    primary, *devices = handshake.evidence_items(SESSION.tee, offered)
    bound = {"nonce": NONCE, "tee-pubkey": KEY.as_json()}
    assert primary.tee == "snp"
    assert primary.runtime_data == {**bound, "additional-evidence": additional}
    assert primary.init_data_toml == "text"
    assert [(each.tee, each.unverified_evidence) for each in devices] == [
        ("nvidia", {"a": 1}),
        ("sampledevice", 2),
    ]
    assert all(each.runtime_data == bound for each in devices)
    assert all(each.init_data_toml is None for each in devices)


@pytest.mark.parametrize(("tee", "algorithm"), [("se", "sha512"), ("snp", "sha384")])
def test_devices_are_hashed_as_their_guest_hashes(tee: str, algorithm: str) -> None:
    """A Secure Execution guest with devices can bind them (wire.md 14.2, 46)."""
    session = handshake.begin(tee, NONCE, DEADLINE)
    offered = attestation(additional='{"sampledevice": 1}')
    _, device = handshake.evidence_items(session.tee, offered)
    assert device.hash_algorithm == algorithm


@pytest.mark.parametrize(
    "additional",
    ["x", "[]", '"nvidia"', '{"NVIDIA": 1}', '{"nvidia": 1, "nvidia": 2}', "{", "[" * 500],
)
def test_refuses_devices_that_do_not_parse(additional: str) -> None:
    """Evidence of devices is JSON by TEE name, each once."""
    with pytest.raises(MalformedEvidenceError):
        handshake.evidence_items(SESSION.tee, attestation(additional=additional))
