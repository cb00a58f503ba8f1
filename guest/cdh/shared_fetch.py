"""One fetch for all who ask for the same resource while it is under way.

A pod's containers start together and ask for the same secret. Nothing is kept: whoever asks after
the answer is a new question to the Key Broker Service, and an error is gone with those it reached.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from guest.errors import ResourceURIError
from guest.kms.ports import ResourceFetcher
from guest.wire.errors import WireError
from guest.wire.resource_uri import ResourceURI


@dataclass(slots=True)
class _Flight:
    """A fetch that is under way, and how many wait for it."""

    outcome: Future[bytes] = field(default_factory=Future)
    callers: int = 0


class SharedFetch:
    """Brings resources; safe to share between threads, of which the first fetches.

    It holds one entry for each resource that is being fetched, hence no more than there are
    callers.
    """

    def __init__(self, fetch: ResourceFetcher) -> None:
        """Take what brings a resource to one caller."""
        self._fetch = fetch
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    @property
    def callers(self) -> int:
        """How many are being served now."""
        with self._lock:
            return sum(flight.callers for flight in self._flights.values())

    def __call__(self, uri: str) -> bytes:
        """The plaintext of a resource.

        Raises:
            ResourceURIError: not a resource URI.
            GuestError: as the fetch; all who waited for it get the same.
        """
        key = _key(uri)
        with self._lock:
            flight = self._flights.setdefault(key, _Flight())
            flight.callers += 1
            is_first = flight.callers == 1
        if is_first:
            self._lead(key, flight.outcome, uri)
        return flight.outcome.result()

    def _lead(self, key: str, outcome: Future[bytes], uri: str) -> None:
        """Fetch for all. The entry goes before the outcome comes: who asks then, asks anew."""
        try:
            plaintext = self._fetch(uri)
        except BaseException as error:  # noqa: BLE001  (raised again by each caller)
            self._forget(key)
            outcome.set_exception(error)
        else:
            self._forget(key)
            outcome.set_result(plaintext)

    def _forget(self, key: str) -> None:
        with self._lock:
            del self._flights[key]


def _key(uri: str) -> str:
    """The same for all spellings of a resource; the host routes nothing."""
    try:
        parsed = ResourceURI.parse(uri)
    except WireError as error:
        raise ResourceURIError(str(error)) from error
    return f"{parsed.plugin}/{parsed.path}"
