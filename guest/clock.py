"""Time as a collaborator: the guest asks a ``Clock``, tests turn it by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        ...

    def elapsed(self) -> timedelta:
        """Time since some fixed point; it never goes back."""
        ...

    def wait(self, duration: timedelta) -> None:
        """Return after this time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> timedelta:
        """Time since some fixed point; it never goes back."""
        return timedelta(seconds=time.monotonic())

    def wait(self, duration: timedelta) -> None:
        """Return after this time."""
        time.sleep(max(duration.total_seconds(), 0.0))
