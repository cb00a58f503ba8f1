"""Collateral from the vendor's own service, over HTTPS.

What bounds it: only origins that a catalogue was configured with are asked, no redirect is
followed, a request has a time limit and a response a size limit, one request for a name is under
way at a time, and only so many in all, because names are made of unverified evidence.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.attestation.collateral.catalogue import VendorCatalogue, VendorDocument, origin_of
from app.attestation.collateral.ports import Collateral
from app.trust.clock import Clock
from app.trust.errors import CollateralUnavailableError
from app.trust.http_client import HTTPClient, HTTPReply, OutsideError

MAX_BODY_BYTES = 2**20
_MAX_AT_ONCE = 4
_OK = 200
_TOO_MANY = 429
# The service says with these that it has no such document; AMD answers 400 to a chip or a TCB that
# it never certified.
_ABSENT = frozenset({400, 404, 410})
_DEFAULT_RETRY = 15
_MAX_RETRY = 3600
_LONGEST_REST = 600

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a document could not be had; raised afresh for each caller that waited for it."""

    message: str
    retry_after: int

    def error(self) -> CollateralUnavailableError:
        return CollateralUnavailableError(self.message, retry_after=self.retry_after)


@dataclass(frozen=True, slots=True)
class _Rest:
    """How long a service is left alone."""

    until: datetime
    seconds: int


class VendorSource:
    """Documents as their vendors serve them.

    Args:
        catalogues: what each vendor has, and where.
        clock: dates the documents.
        client: asks; it bounds time and size, follows no redirect and checks certificates.
        patience: how long to wait for a document that another thread is fetching.
    """

    def __init__(
        self,
        catalogues: Sequence[VendorCatalogue],
        clock: Clock,
        client: HTTPClient,
        patience: timedelta = timedelta(seconds=30),
    ) -> None:
        self.name = "vendor"
        self._catalogues = tuple(catalogues)
        self._clock = clock
        self._client = client
        self._patience = patience
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Collateral | _Refusal | None]] = {}
        self._resting: dict[str, _Rest] = {}

    def find(self, name: str) -> Collateral | None:
        """Fetch a document; ``None`` when no vendor has it.

        Raises:
            CollateralUnavailableError: the service did not answer, or not with a document.
        """
        wanted = self._locate(name)
        if wanted is None:
            return None
        found = self._once(name, wanted)
        if isinstance(found, _Refusal):
            raise found.error()
        return found

    def _locate(self, name: str) -> VendorDocument | None:
        for catalogue in self._catalogues:
            document = catalogue.find(name) if name.startswith(catalogue.prefix) else None
            if document is not None and origin_of(document.url) in catalogue.origins:
                return document
        return None

    def _once(self, name: str, wanted: VendorDocument) -> Collateral | _Refusal | None:
        """Fetch, or wait for the request for this name that is under way."""
        with self._lock:
            waiting = self._under_way.get(name)
            if waiting is None:
                if len(self._under_way) >= _MAX_AT_ONCE:
                    return _Refusal("too many vendor documents are being fetched", 2)
                mine = self._under_way[name] = Future()
        if waiting is not None:
            return self._wait(waiting)
        outcome: Collateral | _Refusal | None = _Refusal("the request was abandoned", 2)
        try:
            outcome = self._ask(name, wanted)
        finally:
            with self._lock:
                del self._under_way[name]
            mine.set_result(outcome)
        return outcome

    def _wait(self, flight: Future[Collateral | _Refusal | None]) -> Collateral | _Refusal | None:
        try:
            return flight.result(timeout=self._patience.total_seconds())
        except TimeoutError:
            return _Refusal("the vendor's service is slow", _DEFAULT_RETRY)

    def _ask(self, name: str, wanted: VendorDocument) -> Collateral | _Refusal | None:
        origin = origin_of(wanted.url)
        rest = self._resting.get(origin)
        if rest is not None and self._clock.now() < rest.until:
            left = math.ceil((rest.until - self._clock.now()).total_seconds())
            return _Refusal(f"{origin} is left alone for a while", left)
        try:
            reply = self._client.get(wanted.url)
        except OutsideError as error:
            _log.warning("vendor service unreachable", origin=origin, reason=str(error))
            # Each attempt costs a thread its time limit, so they become rare while it lasts.
            seconds = _DEFAULT_RETRY if rest is None else min(2 * rest.seconds, _LONGEST_REST)
            return self._rest(origin, f"{origin} did not answer", seconds)
        self._resting.pop(origin, None)
        return self._read(name, wanted, reply)

    def _rest(self, origin: str, message: str, seconds: int) -> _Refusal:
        """Ask this service nothing more for a while."""
        self._resting[origin] = _Rest(self._clock.now() + timedelta(seconds=seconds), seconds)
        return _Refusal(message, seconds)

    def _read(
        self, name: str, wanted: VendorDocument, reply: HTTPReply
    ) -> Collateral | _Refusal | None:
        origin = origin_of(wanted.url)
        if reply.status in _ABSENT:
            return None
        if reply.status == _TOO_MANY:
            return self._rest(origin, f"{origin} answered 429", _retry_after(reply))
        if reply.status != _OK:
            return _Refusal(f"{origin} answered {reply.status}", _retry_after(reply))
        if len(reply.body) > MAX_BODY_BYTES or not wanted.form.fits(reply.body):
            return _Refusal(f"{origin} answered with no such document", _DEFAULT_RETRY)
        headers = {key: reply.headers[key] for key in wanted.headers if key in reply.headers}
        _log.info("collateral fetched", name=name, origin=origin, bytes=len(reply.body))
        return Collateral(name, reply.body, headers, self._clock.now(), origin)


def _retry_after(reply: HTTPReply) -> int:
    """Seconds of ``Retry-After`` (RFC 9110, section 10.2.3); its date form is not read."""
    text = reply.headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(max(int(text), 1), _MAX_RETRY)
    return _DEFAULT_RETRY
