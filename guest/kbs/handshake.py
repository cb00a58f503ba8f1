"""The guest's side of the RCAR handshake, without I/O (guest.md, section 4.2).

The table below is the protocol: from each state, exactly the listed events are legal, in this order
and once. Whoever drives it sends what ``request`` and ``attestation`` return and hands in what the
server answers. Calling out of order is a fault of the caller, not of the server, and is an
``AssertionError``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from guest.errors import ProtocolError
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.digests import HASH_ALGORITHMS
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.messages import Attestation, Request, TEEEvidence, parse_challenge
from guest.wire.runtime_data import hash_algorithm_of
from guest.wire.versions import PROTOCOL_VERSION

_TOKEN_LIMIT = 1024 * 1024


class State(Enum):
    """What the handshake waits for."""

    START = auto()
    CHALLENGE = auto()
    EVIDENCE = auto()
    TOKEN = auto()
    DONE = auto()


class Event(Enum):
    """What moves it on."""

    REQUEST_SENT = auto()
    CHALLENGE_RECEIVED = auto()
    ATTESTATION_SENT = auto()
    TOKEN_RECEIVED = auto()


NEXT: dict[tuple[State, Event], State] = {
    (State.START, Event.REQUEST_SENT): State.CHALLENGE,
    (State.CHALLENGE, Event.CHALLENGE_RECEIVED): State.EVIDENCE,
    (State.EVIDENCE, Event.ATTESTATION_SENT): State.TOKEN,
    (State.TOKEN, Event.TOKEN_RECEIVED): State.DONE,
}


class EvidenceMaker(Protocol):
    """Makes evidence for a challenge."""

    def __call__(self, nonce: str, tee_pubkey: dict[str, str], algorithm: str) -> TEEEvidence:
        """Composite evidence that is bound to nonce and key.

        Args:
            nonce: of the challenge, as it was received.
            tee_pubkey: public JWK of the TEE key.
            algorithm: that runtime data are hashed with, the devices', too.

        Raises:
            AttesterError: some part of it could not be made.
        """
        ...


class Handshake:
    """One run of the protocol, for one key pair."""

    def __init__(self, tee: str, key_pair: TEEKeyPair, init_data: str | None = None) -> None:
        """Prepare a run.

        Args:
            tee: wire name of the TEE.
            key_pair: what the token will be bound to.
            init_data: the exact text of the init-data document, if it is to be sent.
        """
        self.state = State.START
        self._tee = tee
        self._key_pair = key_pair
        self._init_data = init_data
        self._nonce = ""
        self._algorithm = hash_algorithm_of(tee)

    def request(self) -> JSONObject:
        """The body of ``POST /kbs/v0/auth``."""
        self._advance(Event.REQUEST_SENT)
        offer = {"supported-hash-algorithms": list(HASH_ALGORITHMS)}
        return Request(PROTOCOL_VERSION, self._tee, offer).as_json()

    def receive_challenge(self, value: JSONValue) -> None:
        """Take in the answer to the request.

        Raises:
            ProtocolError: it is no challenge, or selects an algorithm that was not offered.
        """
        try:
            challenge = parse_challenge(value)
        except WireError as error:
            raise ProtocolError(f"the server's challenge is malformed: {error}") from error
        self._algorithm = _selected_algorithm(challenge.extra_params, self._algorithm)
        self._nonce = challenge.nonce
        self._advance(Event.CHALLENGE_RECEIVED)

    def evidence(self, make: EvidenceMaker) -> TEEEvidence:
        """Evidence for the challenge.

        Raises:
            AttesterError: there is none.
        """
        assert self.state is State.EVIDENCE, "evidence follows a challenge"
        return make(self._nonce, self._key_pair.public.as_json(), self._algorithm)

    def attestation(self, evidence: TEEEvidence) -> JSONObject:
        """The body of ``POST /kbs/v0/attest``."""
        self._advance(Event.ATTESTATION_SENT)
        public = self._key_pair.public
        return Attestation(self._init_data, self._nonce, public, evidence).as_json()

    def receive_token(self, value: JSONValue) -> str:
        """Take in the answer to the attestation; the token, unverified.

        Raises:
            ProtocolError: it holds no token.
        """
        token = value.get("token") if isinstance(value, dict) else None
        if not isinstance(token, str) or not 0 < len(token) <= _TOKEN_LIMIT:
            raise ProtocolError("the server's answer to the attestation holds no token")
        self._advance(Event.TOKEN_RECEIVED)
        return token

    def _advance(self, event: Event) -> None:
        following = NEXT.get((self.state, event))
        assert following is not None, f"{event.name} is out of order in {self.state.name}"
        self.state = following


def _selected_algorithm(extra_params: JSONValue, default: str) -> str:
    if not isinstance(extra_params, dict) or "selected-hash-algorithm" not in extra_params:
        return default
    selected = extra_params["selected-hash-algorithm"]
    if not isinstance(selected, str) or selected.lower() not in HASH_ALGORITHMS:
        raise ProtocolError("the server selected a hash algorithm that was not offered")
    return selected.lower()
