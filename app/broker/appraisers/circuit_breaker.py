"""A circuit breaker: what does not answer is left alone for a while, then asked by one."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from threading import Lock

# After so many failures in a row the other side is taken to be down …
FAILURES_TO_OPEN = 5
# … and asked again only after this, by a single request whose outcome decides for all.
OPEN_FOR = timedelta(seconds=10)


class OpenCircuitError(Exception):
    """The other side is being left alone.

    Attributes:
        retry_after: whole seconds until it is asked again, at least 1.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"left alone for {retry_after} more seconds")
        self.retry_after = retry_after


class CircuitBreaker:
    """Counts failures in a row; safe to share between threads."""

    def __init__(
        self, *, failures_to_open: int = FAILURES_TO_OPEN, open_for: timedelta = OPEN_FOR
    ) -> None:
        """Start closed."""
        self._failures_to_open = failures_to_open
        self._open_for = open_for
        self._failures = 0
        self._open_until: datetime | None = None
        self._lock = Lock()

    def enter(self, now: datetime) -> None:
        """Ask to go through; report ``succeeded`` or ``failed`` afterwards.

        When the time of an open circuit is over, the first that asks goes through as a probe, and
        the others wait another round for what it reports.

        Raises:
            OpenCircuitError: the other side is being left alone.
        """
        with self._lock:
            if self._open_until is None:
                return
            if now < self._open_until:
                remaining = (self._open_until - now).total_seconds()
                raise OpenCircuitError(max(1, math.ceil(remaining)))
            self._open_until = now + self._open_for

    def succeeded(self) -> None:
        """The other side answered: close."""
        with self._lock:
            self._failures = 0
            self._open_until = None

    def failed(self, now: datetime) -> None:
        """The other side did not answer: after enough of that, open."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._failures_to_open:
                self._open_until = now + self._open_for
