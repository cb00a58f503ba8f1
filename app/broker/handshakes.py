"""The handshake's use cases: what the transition table decides is carried out here.

``authenticate`` writes nothing: a flood of it costs the store nothing (wire.md 14.1, 4). ``attest``
writes once, in one transaction: the session with its token, and the decision record. Of two that
race for one nonce the database lets one win.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.broker import handshake
from app.broker.handshake import Action, Event, Session, State
from app.broker.sessions import AttestedSession, SessionStore
from app.trust.appraiser import AppraisalRequest, Appraised, Appraiser
from app.trust.clock import Clock
from app.trust.decisions import DecisionRecord, DecisionStore, Outcome
from app.trust.errors import ProtocolVersionError, SessionError, UsedNonceError
from app.trust.revisions import Revisions, RevisionStore
from app.trust.sealing import Sealer
from app.trust.tickets import TicketKeySource
from app.trust.transactions import Transactions
from guest.wire.errors import WireError
from guest.wire.messages import Attestation, Challenge, Request
from guest.wire.versions import PROTOCOL_VERSION, is_served, parse_version


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that was challenged.

    Attributes:
        challenge: for the body of the answer.
        cookie: the session, for the guest's cookie jar.
        expires_at: the session's deadline.
    """

    challenge: Challenge = field(repr=False)
    cookie: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Attested:
    """A session that is attested.

    Attributes:
        token: for the body of the answer.
        tee: wire name of the primary TEE.
        expires_at: the session's deadline, the same as when it was challenged.
        decision_id: of the appraisal; ``None`` when the session had its token already.
    """

    token: str = field(repr=False)
    tee: str
    expires_at: datetime
    decision_id: str | None


@dataclass(frozen=True, slots=True)
class HandshakeService:
    """Challenges guests, has their evidence appraised, and keeps the token for the session.

    Attributes:
        tickets: the keys of cookies.
        lifetime: of a session, from its challenge on.
        policy_id: the policy set that evidence is appraised by.
    """

    appraiser: Appraiser
    sessions: SessionStore
    decisions: DecisionStore
    tickets: TicketKeySource
    sealer: Sealer
    transactions: Transactions
    revisions: RevisionStore
    clock: Clock
    lifetime: timedelta
    policy_id: str

    def authenticate(self, request: Request) -> Begun:
        """Challenge a guest.

        Raises:
            ProtocolVersionError: the guest's version cannot be served.
            UnknownTEEError: no verifier for the TEE is enabled.
            UnavailableError: the appraiser has to be asked and did not answer.
        """
        _check_version(request.version)
        own_nonce, extra_params = self.appraiser.challenge(request.tee, request.extra_params)
        nonce = handshake.new_nonce() if own_nonce is None else own_nonce
        now = self.clock.now()
        expires_at = (now + self.lifetime).replace(microsecond=0)
        session = handshake.begin(request.tee, nonce, expires_at)
        cookie = handshake.seal_cookie(session, self.tickets.for_issuing(now))
        return Begun(Challenge(nonce, extra_params), cookie, expires_at)

    def attest(self, cookie: str | None, attestation: Attestation) -> Attested:
        """Turn evidence into a token, once a session.

        A session that is attested already gets its own token again, for the same nonce and key.

        Raises:
            SessionError: no session, an expired one, another nonce, or attested for another key.
            UsedNonceError: a concurrent request with the same nonce was faster.
            MalformedError, UnsupportedError, UnverifiedError, UnavailableError, PolicyFailedError,
            PolicyNotFoundError: as ``Appraiser.appraise``.
        """
        session = self._open(cookie, self.revisions.current())
        attested = self.sessions.find(session.digest)
        state, event = handshake.offer_event(session, attested, attestation)
        if handshake.step(state, event).action is Action.RETURN_TOKEN:
            assert attested is not None, "only an attested session has a token"
            return Attested(self._token(attested), session.tee, session.expires_at, None)
        appraised = self.appraiser.appraise(
            AppraisalRequest(
                items=handshake.evidence_items(session.tee, attestation),
                policy_id=self.policy_id,
                nonce=attestation.nonce,
            )
        )
        assert handshake.step(state, Event.VOUCHED).state is State.ATTESTED
        self._keep(session, attestation, appraised)
        decision_id = appraised.record.decision_id
        return Attested(appraised.token, session.tee, session.expires_at, decision_id)

    def token_of(self, cookie: str | None, revisions: Revisions) -> str | None:
        """The token of a live, attested session; ``None`` for every other cookie.

        Raises:
            SealingError: the token does not open.
        """
        try:
            session = self._open(cookie, revisions)
        except SessionError:
            return None
        attested = self.sessions.find(session.digest)
        return None if attested is None else self._token(attested)

    def _open(self, cookie: str | None, revisions: Revisions) -> Session:
        return handshake.open_cookie(cookie, self.tickets.at(revisions), self.clock.now())

    def _keep(self, session: Session, attestation: Attestation, appraised: Appraised) -> None:
        sealed = self.sealer.seal(appraised.token.encode(), _associated(session.digest))
        try:
            with self.transactions():
                self.sessions.add(handshake.attested_session(session, attestation, sealed))
                self.decisions.add(appraised.record)
        except UsedNonceError as error:
            lost = _as_lost(appraised.record, error)
            with self.transactions():
                self.decisions.add(lost)
            error.decision_id = lost.decision_id
            raise

    def _token(self, attested: AttestedSession) -> str:
        associated = _associated(attested.session_digest)
        return self.sealer.open(attested.sealed_token, associated).decode()


def _check_version(text: str) -> None:
    try:
        served = is_served(parse_version(text))
    except WireError as error:
        raise ProtocolVersionError(str(error)) from error
    if not served:
        raise ProtocolVersionError(f"this server speaks version {PROTOCOL_VERSION} of the protocol")


def _as_lost(record: DecisionRecord, error: UsedNonceError) -> DecisionRecord:
    """The record of an appraisal whose token is never given out."""
    return replace(record, outcome=Outcome.DENIED, reason=error.code, token_id=None)


def _associated(session_digest: str) -> bytes:
    return f"session/{session_digest}".encode()
