"""Collateral from the vendor's own service, over HTTPS.

What bounds it: only origins that a catalogue was configured with are asked, no redirect is
followed, a request has a time limit and a response a size limit, one request for a name is under
way at a time, and only so many in all, because names are made of unverified evidence. Replicas that
share a database share the first of these, and how long a service is to be left alone.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

import structlog

from app.attestation.collateral.catalogue import VendorCatalogue, VendorDocument, origin_of
from app.attestation.collateral.ports import Collateral, CollateralStore, FetchLeases
from app.trust.clock import Clock
from app.trust.errors import CollateralUnavailableError, DomainError, StoreUnavailableError
from app.trust.http_client import HTTPClient, HTTPReply, OutsideError

MAX_BODY_BYTES = 2**20
_MAX_AT_ONCE = 4
_OK = 200
_TOO_MANY = 429
_BUSY = frozenset({_TOO_MANY, 503})
# Longer than any request takes; a replica that dies while it asks is waited for no longer.
_LEASE = timedelta(seconds=60)
_POLL_SECONDS = 0.2
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


class CollateralJudge(Protocol):
    """Looks at what a service answered."""

    def __call__(self, answered: Collateral) -> None:
        """Refuse what cannot be the document, such as one that nobody trusted has signed.

        Raises:
            DomainError: it is none.
        """
        ...


def believe(answered: Collateral) -> None:
    """The judge that leaves everything to the verifiers."""


@dataclass(frozen=True, slots=True)
class SharedCollateral:
    """What replicas share about vendors: the documents, and who is asking for one.

    Attributes:
        pause: waits for some seconds.
    """

    store: CollateralStore
    leases: FetchLeases
    pause: Callable[[float], None] = time.sleep


class VendorSource:
    """Documents as their vendors serve them.

    Args:
        catalogues: what each vendor has, and where.
        clock: dates the documents.
        client: asks; it bounds time and size, follows no redirect and checks certificates.
        judge: looks at what was answered.
        shared: what replicas share; ``None`` for a process by itself.
        patience: how long to wait for a document that another thread or replica is fetching.
    """

    def __init__(
        self,
        catalogues: Sequence[VendorCatalogue],
        clock: Clock,
        client: HTTPClient,
        judge: CollateralJudge = believe,
        shared: SharedCollateral | None = None,
        *,
        patience: timedelta = timedelta(seconds=30),
    ) -> None:
        self.name = "vendor"
        self._catalogues = tuple(catalogues)
        self._clock = clock
        self._client = client
        self._judge = judge
        self._shared = shared
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

    def rest_is_over(self) -> None:
        """Ask services again that this process was leaving alone."""
        self._resting.clear()

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
            outcome = self._ask_in_turn(name, wanted)
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

    def _ask_in_turn(self, name: str, wanted: VendorDocument) -> Collateral | _Refusal | None:
        """Ask, unless another replica is asking: then its document serves."""
        # Documents of chips are not shared before they verified something, so nobody can wait.
        if self._shared is None or not wanted.countable:
            return self._ask(name, wanted)
        subject, leases = f"fetch:{name}", self._shared.leases
        began = self._clock.now()
        try:
            if not leases.take(subject, began, began + _LEASE):
                return self._await_replica(name, subject, began)
        except StoreUnavailableError:
            return self._ask(name, wanted)
        try:
            return self._ask(name, wanted)
        finally:
            with contextlib.suppress(StoreUnavailableError):
                leases.release(subject)

    def _await_replica(self, name: str, subject: str, began: datetime) -> Collateral | _Refusal:
        assert self._shared is not None, "asked for only when replicas share"
        for _ in range(math.ceil(self._patience.total_seconds() / _POLL_SECONDS)):
            self._shared.pause(_POLL_SECONDS)
            found = self._shared.store.find(name)
            if found is not None and found.fetched_at >= began:
                return found
            if self._shared.leases.held_until(subject, self._clock.now()) is None:
                return _Refusal("another replica asked the vendor in vain", _DEFAULT_RETRY)
        return _Refusal("the vendor's service is slow", _DEFAULT_RETRY)

    def _ask(self, name: str, wanted: VendorDocument) -> Collateral | _Refusal | None:
        origin = origin_of(wanted.url)
        left = self._left_alone_for(origin)
        if left:
            return _Refusal(f"{origin} is left alone for a while", left)
        try:
            reply = self._request(wanted)
        except OutsideError as error:
            _log.warning("vendor service unreachable", origin=origin, reason=str(error))
            return self._rest(origin, f"{origin} did not answer", None)
        return self._read(name, wanted, reply)

    def _request(self, wanted: VendorDocument) -> HTTPReply:
        if wanted.question is None:
            return self._client.get(wanted.url)
        return self._client.post(wanted.url, wanted.question.body, wanted.question.media_type)

    def _left_alone_for(self, origin: str) -> int:
        """For how many seconds a service is not to be asked."""
        now = self._clock.now()
        rest = self._resting.get(origin)
        until = rest.until if rest is not None else now
        if self._shared is not None:
            with contextlib.suppress(StoreUnavailableError):
                until = max(until, self._shared.leases.held_until(f"rest:{origin}", now) or now)
        return max(0, math.ceil((until - now).total_seconds()))

    def _rest(self, origin: str, message: str, seconds: int | None) -> _Refusal:
        """Ask this service nothing more for a while: as long as it says, or longer each time."""
        before = self._resting.get(origin)
        if seconds is None:
            # Each attempt costs a thread its time limit, so they become rare while it lasts.
            seconds = _DEFAULT_RETRY if before is None else min(2 * before.seconds, _LONGEST_REST)
        until = self._clock.now() + timedelta(seconds=seconds)
        self._resting[origin] = _Rest(until, seconds)
        if self._shared is not None:
            with contextlib.suppress(StoreUnavailableError):
                self._shared.leases.hold(f"rest:{origin}", until)
        return _Refusal(message, seconds)

    def _read(
        self, name: str, wanted: VendorDocument, reply: HTTPReply
    ) -> Collateral | _Refusal | None:
        origin = origin_of(wanted.url)
        if reply.status in _BUSY:
            seconds = _retry_after(reply, self._clock.now())
            if reply.status == _TOO_MANY or seconds is not None:
                return self._rest(origin, f"{origin} answered {reply.status}", seconds)
        self._resting.pop(origin, None)
        if reply.status in _ABSENT:
            return None
        if reply.status != _OK:
            return _Refusal(f"{origin} answered {reply.status}", _DEFAULT_RETRY)
        if len(reply.body) > MAX_BODY_BYTES or not wanted.form.fits(reply.body):
            return _Refusal(f"{origin} answered with no such document", _DEFAULT_RETRY)
        headers = {key: reply.headers[key] for key in wanted.headers if key in reply.headers}
        found = Collateral(name, reply.body, headers, self._clock.now(), origin)
        try:
            self._judge(found)
        except DomainError as error:
            _log.warning("vendor answer refused", name=name, origin=origin, reason=error.code)
            return _Refusal(f"{origin} answered with no such document", _DEFAULT_RETRY)
        _log.info("collateral fetched", name=name, origin=origin, bytes=len(reply.body))
        return found


def _retry_after(reply: HTTPReply, now: datetime) -> int | None:
    """Seconds of ``Retry-After`` (RFC 9110, section 10.2.3), as a number or a date."""
    text = reply.headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(max(int(text), 1), _MAX_RETRY)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return min(max(math.ceil((at - now).total_seconds()), 1), _MAX_RETRY)
