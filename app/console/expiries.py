"""What expires next: values, keys, certificates, collateral, in one list."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# What expired this long ago still stands in the list, so that it is noticed.
LOOKING_BACK = timedelta(days=7)
SOON = timedelta(days=14)


class Expiring(StrEnum):
    """What can expire."""

    CERTIFICATE = "certificate"
    COLLATERAL = "collateral"
    REFERENCE_VALUE = "reference value"
    SIGNING_KEY = "signing key"


@dataclass(frozen=True, slots=True)
class Expiry:
    """One thing, and when it is over, UTC."""

    kind: Expiring
    name: str
    at: datetime

    def state(self, now: datetime) -> str:
        """``expired``, ``expiring`` (soon), or ``valid``."""
        if self.at <= now:
            return "expired"
        return "expiring" if self.at - now <= SOON else "valid"


# From a moment on, at most so many, the first to expire first.
ExpirySource = Callable[[datetime, int], list[Expiry]]


def next_expiries(sources: Sequence[ExpirySource], now: datetime, limit: int) -> list[Expiry]:
    """The first things to expire, of those that have not been expired for long."""
    since = now - LOOKING_BACK
    found = (expiry for source in sources for expiry in source(since, limit))
    return heapq.nsmallest(limit, found, key=lambda expiry: (expiry.at, expiry.name))
