"""The RCAR session as a transition table; nothing here reads or writes (wire.md section 2).

How to change it: states and events are closed sets, and every pair of them stands in exactly one of
the two tables below, which a test checks. What the server does lives beside the next state; code
elsewhere asks ``step`` and carries out the action, it never looks at the state itself.

A session begins as a ticket in the guest's cookie and nowhere else. It is written down once, when
its nonce has vouched, and never goes back: there is no way out of ``ATTESTED`` but its deadline.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.broker.sessions import AttestedSession
from app.trust.appraiser import EvidenceItem
from app.trust.errors import (
    AttestedSessionError,
    ExpiredSessionError,
    MalformedEvidenceError,
    MissingSessionError,
    NonceMismatchError,
    SessionError,
    UnknownSessionError,
)
from app.trust.tickets import (
    ExpiredTicketError,
    TicketKeys,
    UnknownTicketError,
    issue_ticket,
    open_ticket,
    ticket_expiry,
)
from guest.wire.encoding import b64_encode, b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.messages import Attestation
from guest.wire.runtime_data import hash_algorithm_of, runtime_data

NONCE_BYTES = 32
SESSION_ID_BYTES = 16

_PURPOSE = b"kbs-session"
_DIGEST_BYTES = 32


class State(StrEnum):
    """Where a session is."""

    CHALLENGED = "challenged"
    ATTESTED = "attested"


class Event(StrEnum):
    """What happens to a session.

    An *offer* is a guest's attestation: evidence, and the nonce and key it is bound to.
    """

    OFFER = "an offer for the session's nonce, and for its key once it has one"
    OFFER_OF_OTHER_NONCE = "an offer for another nonce"
    OFFER_OF_OTHER_KEY = "an offer for the session's nonce and another key"
    VOUCHED = "the evidence of an offer was verified"
    REFUSED = "the evidence of an offer was refused"


class Action(StrEnum):
    """What the server does."""

    APPRAISE = "have the evidence appraised"
    KEEP_TOKEN = "write the session down with its token"  # noqa: S105
    RETURN_TOKEN = "return the token that the session has"  # noqa: S105
    NOTHING = "leave everything as it is"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an event."""

    state: State
    action: Action


STEPS: dict[tuple[State, Event], Step] = {
    (State.CHALLENGED, Event.OFFER): Step(State.CHALLENGED, Action.APPRAISE),
    (State.CHALLENGED, Event.VOUCHED): Step(State.ATTESTED, Action.KEEP_TOKEN),
    # A refusal does not use the nonce up: a guest may correct itself until the deadline.
    (State.CHALLENGED, Event.REFUSED): Step(State.CHALLENGED, Action.NOTHING),
    # A guest whose answer was lost asks again; it gets what it would have got, and no one else.
    (State.ATTESTED, Event.OFFER): Step(State.ATTESTED, Action.RETURN_TOKEN),
}

REFUSALS: dict[tuple[State, Event], type[SessionError]] = {
    (State.CHALLENGED, Event.OFFER_OF_OTHER_NONCE): NonceMismatchError,
    # A session that is not attested has no key yet, so no offer can be for another one.
    (State.CHALLENGED, Event.OFFER_OF_OTHER_KEY): SessionError,
    (State.ATTESTED, Event.OFFER_OF_OTHER_NONCE): AttestedSessionError,
    (State.ATTESTED, Event.OFFER_OF_OTHER_KEY): AttestedSessionError,
    (State.ATTESTED, Event.VOUCHED): AttestedSessionError,
    (State.ATTESTED, Event.REFUSED): AttestedSessionError,
}

_REFUSAL_TEXTS: dict[type[SessionError], str] = {
    NonceMismatchError: "the nonce is not the one this session was challenged with",
    AttestedSessionError: "the session is attested already, for another nonce or key",
    SessionError: "this step of the handshake comes out of order",
}


@dataclass(frozen=True, slots=True)
class Session:
    """What a session cookie says; the server signed it.

    Attributes:
        session_id: 16 random bytes, known to the guest alone.
        nonce_digest: SHA-256 of the nonce's text, 32 bytes.
        tee: wire name of the primary TEE.
        expires_at: the deadline of the handshake and of the cookie's use.
    """

    session_id: bytes = field(repr=False)
    nonce_digest: bytes = field(repr=False)
    tee: str
    expires_at: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the session id, hex: what stands for the session in the store."""
        return hashlib.sha256(self.session_id).hexdigest()


def new_nonce() -> str:
    """32 random bytes, base64 with padding: 44 characters, as Trustee's."""
    return b64_encode(secrets.token_bytes(NONCE_BYTES))


def begin(tee: str, nonce: str, expires_at: datetime) -> Session:
    """A session that was challenged with this nonce."""
    return Session(secrets.token_bytes(SESSION_ID_BYTES), _digest(nonce), tee, expires_at)


def seal_cookie(session: Session, keys: TicketKeys) -> str:
    """The cookie's value: a ticket, base64url, of ``16 id | 32 nonce digest | TEE name``."""
    payload = session.session_id + session.nonce_digest + session.tee.encode("ascii")
    return b64url_encode(issue_ticket(keys, _PURPOSE, payload, session.expires_at))


def open_cookie(cookie: str | None, keys: TicketKeys, now: datetime) -> Session:
    """The session of a cookie.

    Raises:
        MissingSessionError: there is no cookie.
        UnknownSessionError: it was not issued here.
        ExpiredSessionError: its deadline has passed.
    """
    if not cookie:
        raise MissingSessionError("no session cookie came with the request")
    try:
        ticket = b64url_decode(cookie)
        payload = open_ticket(keys, _PURPOSE, ticket, now)
    except (WireError, UnknownTicketError) as error:
        raise UnknownSessionError("the session is not known here") from error
    except ExpiredTicketError as error:
        raise ExpiredSessionError("the session's time is over") from error
    tee_starts = SESSION_ID_BYTES + _DIGEST_BYTES
    return Session(
        session_id=payload[:SESSION_ID_BYTES],
        nonce_digest=payload[SESSION_ID_BYTES:tee_starts],
        tee=payload[tee_starts:].decode("ascii"),
        expires_at=ticket_expiry(ticket),
    )


def offer_event(
    session: Session, attested: AttestedSession | None, attestation: Attestation
) -> tuple[State, Event]:
    """The session's state, and what this attestation is to it."""
    state = State.CHALLENGED if attested is None else State.ATTESTED
    if not hmac.compare_digest(_digest(attestation.nonce), session.nonce_digest):
        return state, Event.OFFER_OF_OTHER_NONCE
    if attested is not None:
        offered = attestation.tee_pubkey.thumbprint()
        if not hmac.compare_digest(offered.encode(), attested.key_thumbprint.encode()):
            return state, Event.OFFER_OF_OTHER_KEY
    return state, Event.OFFER


def step(state: State, event: Event) -> Step:
    """What follows.

    Raises:
        NonceMismatchError: the offer is for another nonce.
        AttestedSessionError: the session is attested, and not for this.
        SessionError: the event cannot happen in this state.
    """
    refusal = REFUSALS.get((state, event))
    if refusal is not None:
        raise refusal(_REFUSAL_TEXTS[refusal])
    return STEPS[state, event]


def evidence_items(tee: str, attestation: Attestation) -> tuple[EvidenceItem, ...]:
    """What is to be verified: the primary evidence, then each device (wire.md 2.5, step 5).

    A guest hashes all of its runtime data alike, as its TEE does: devices of a Secure Execution
    guest are bound by SHA-512, where Trustee's server looks for SHA-384 (wire.md 14.2, 46).

    Args:
        tee: of the session, the wire name of the primary TEE.
        attestation: what the guest answered.

    Raises:
        MalformedEvidenceError: the evidence of devices does not parse.
    """
    offered = attestation.evidence
    key = attestation.tee_pubkey.as_json()
    primary = EvidenceItem(
        tee=tee,
        unverified_evidence=offered.primary_evidence,
        runtime_data=runtime_data(attestation.nonce, key, offered.additional_evidence),
        init_data_toml=attestation.init_data_toml,
    )
    try:
        devices = offered.devices()
    except WireError as error:
        raise MalformedEvidenceError(f"additional evidence: {error}") from error
    bound, algorithm = runtime_data(attestation.nonce, key, None), hash_algorithm_of(tee)
    return primary, *(
        EvidenceItem(device, evidence, bound, hash_algorithm=algorithm)
        for device, evidence in devices.items()
    )


def attested_session(
    session: Session, attestation: Attestation, sealed_token: bytes
) -> AttestedSession:
    """What is written down once the nonce has vouched."""
    return AttestedSession(
        session_digest=session.digest,
        nonce_digest=session.nonce_digest.hex(),
        key_thumbprint=attestation.tee_pubkey.thumbprint(),
        sealed_token=sealed_token,
        expires_at=session.expires_at,
    )


def _digest(nonce: str) -> bytes:
    return hashlib.sha256(nonce.encode()).digest()
