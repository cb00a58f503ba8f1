"""The key set of an issuer elsewhere: fetched, kept for a while, refreshed with restraint.

The times are chosen against each other. A key that the issuer withdrew is gone after
``REFRESH_AFTER``; an issuer that cannot be reached is done without until ``MAX_AGE``; and a token
with an invented ``kid`` makes us ask at most every ``REFRESH_FLOOR``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import structlog

from app.broker.compact_tokens import UnverifiedToken
from app.broker.issuer_documents import IssuerDocuments
from app.broker.issuer_keys import KeyIndex, require_known
from app.broker.verification_keys import UnusableKeyError, VerificationKey
from app.trust.errors import IssuerUnavailableError
from app.trust.http_client import HTTPClient, OutsideError
from app.trust.revisions import Revisions
from guest.wire.errors import WireError

REFRESH_AFTER = timedelta(minutes=5)
REFRESH_FLOOR = timedelta(seconds=5)
MAX_AGE = timedelta(hours=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    index: KeyIndex
    fetched_at: datetime


class FetchedKeys:
    """The keys behind a URL; safe to share between threads."""

    def __init__(
        self, url: str, issuer: str, client: HTTPClient, *, allows_http: bool = False
    ) -> None:
        """Take the address, and who must be found there.

        Args:
            url: of a JWK set, or the base of an issuer that publishes discovery.
            issuer: the ``iss`` that discovery must name.
            client: with the authorities that the address is checked against.
            allows_http: whether discovery may name a key set that is not behind TLS.
        """
        self._url = url
        self._issuer = issuer
        self._documents = IssuerDocuments(client, allows_http=allows_http)
        self._key_set_url: str | None = None
        self._held: _Held | None = None
        self._failed = False
        self._asked_at: datetime | None = None
        self._lock = Lock()

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:  # noqa: ARG002  (the keys are another's)
        """The token's key (see ``KeySource.find``)."""
        held = self._believed(now)
        key = held.index.find(token) if held else None
        if held is None or key is None or now - held.fetched_at >= REFRESH_AFTER:
            self._refresh(now, wait=key is None)
            held = self._believed(now)
            key = held.index.find(token) if held else None
        if held is None or (key is None and self._failed):
            raise IssuerUnavailableError(
                "the keys of the token's issuer could not be fetched",
                retry_after=max(1, int(REFRESH_FLOOR.total_seconds())),
            )
        return require_known(key)

    def known(self, now: datetime, revisions: Revisions) -> list[VerificationKey]:  # noqa: ARG002
        """Those that were fetched last (see ``ListedKeys.known``)."""
        held = self._believed(now)
        if held is None or now - held.fetched_at >= REFRESH_AFTER:
            self._refresh(now, wait=held is None)
            held = self._believed(now)
        if held is None:
            raise IssuerUnavailableError("the keys of the issuer could not be fetched")
        return held.index.keys

    def _believed(self, now: datetime) -> _Held | None:
        held = self._held
        return held if held is not None and now - held.fetched_at < MAX_AGE else None

    def _refresh(self, now: datetime, *, wait: bool) -> None:
        """Ask the issuer, unless it was asked a moment ago; one thread asks, for all.

        A thread that has a key to go on with does not wait for the one that asks.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if self._asked_at is None or now - self._asked_at >= REFRESH_FLOOR:
                self._asked_at = now
                self._fetch(now)
        finally:
            self._lock.release()

    def _fetch(self, now: datetime) -> None:
        try:
            self._held = _Held(KeyIndex(self._key_set()), now)
            self._failed = False
        except (OutsideError, WireError, UnusableKeyError) as error:
            self._failed = True
            self._key_set_url = None
            _log.warning("key set not refreshed", issuer=self._issuer, reason=str(error))

    def _key_set(self) -> list[VerificationKey]:
        if self._key_set_url is None:
            self._key_set_url = self._locate()
        return self._documents.key_set(self._key_set_url)

    def _locate(self) -> str:
        """The address of the key set: the one that was configured, or what discovery names."""
        located = self._documents.locate(self._url)
        # Section 4.3: a document that names another issuer is not this issuer's.
        if located.iss not in (None, self._issuer):
            raise OutsideError("discovery names another issuer, or no key set")
        return located.key_set_url
