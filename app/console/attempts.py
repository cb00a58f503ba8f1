"""How often someone may guess: counted so that guessing is slow and nobody else is held up.

A browser in which someone signed in before shows a cookie that says so (`devices.py`) and has a
count of its own: strangers' guesses do not hold it up. Everyone else is counted by name and source
together, by source over all names, and, far more generously, by name over all sources, which is
what a guesser with many sources runs into (NIST SP 800-63B, section 5.2.2: no more than 100).
See also the device cookies of OWASP.

Names that exist and names that do not are counted alike, or the refusal would tell them apart.
Counts rest under a keyed digest cut to 20 bits, so that however many names and sources strangers
come up with, there is no more than a fixed number of rows.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.trust.clock import Clock
from app.trust.errors import TooManyRequestsError
from app.trust.transactions import Transactions

_BUCKET_HEX_DIGITS = 5
_IPV6_SITE_BITS = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """Someone who is about to show who it is.

    Attributes:
        kind: of what is shown, such as ``password``; each has counts of its own.
        name: of the account, as typed; it need not exist.
        source: the network address.
        device: which known browser it is, or ``None``.
    """

    kind: str
    name: str
    source: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts in so long."""

    attempts: int
    window: timedelta


DEVICE_LIMIT = Limit(10, timedelta(minutes=15))
PAIR_LIMIT = Limit(5, timedelta(minutes=15))
SOURCE_LIMIT = Limit(50, timedelta(minutes=15))
NAME_LIMIT = Limit(100, timedelta(hours=1))
# How many failures are written into the audit log, all of them together.
RECORD_LIMIT = Limit(100, timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Count:
    """Attempts in a window that is not over.

    Attributes:
        ends_at: when the window is over, and the count with it.
    """

    attempts: int
    ends_at: datetime


class AttemptStore(Protocol):
    """Where counts live; a count whose window is over is none."""

    def find(self, bucket: str, now: datetime) -> Count | None:
        """The count of a bucket."""
        ...

    def add(self, bucket: str, now: datetime, window: timedelta) -> Count:
        """Count one more, inside the caller's transaction; the first one opens the window."""
        ...

    def give_back(self, bucket: str) -> None:
        """Count one less, inside the caller's transaction."""
        ...

    def clear(self, bucket: str) -> None:
        """Forget a count, inside the caller's transaction."""
        ...

    def forget_expired(self, now: datetime) -> int:
        """Drop counts whose window is over; how many."""
        ...


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counts attempts before they are looked at, so that many at once gain nothing.

    Attributes:
        key: under which buckets are digested; 32 bytes.
    """

    store: AttemptStore
    transactions: Transactions
    clock: Clock
    key: Callable[[], bytes]

    def begin(self, attempt: Attempt) -> int:
        """Count an attempt; how many it is the last of, in the narrowest of its counts.

        Raises:
            TooManyRequestsError: there were too many; nothing was counted.
        """
        now = self.clock.now()
        counted = self._counted(attempt, now)
        for bucket, limit in counted:
            count = self.store.find(bucket, now)
            if count is not None and count.attempts >= limit.attempts:
                seconds = max(1, int((count.ends_at - now).total_seconds()))
                raise TooManyRequestsError("too many attempts; wait a while", retry_after=seconds)
        with self.transactions():
            # In one order, so that two transactions do not wait for each other.
            counts = {
                bucket: self.store.add(bucket, now, limit.window)
                for bucket, limit in sorted(counted, key=_bucket_of)
            }
        narrowest, _ = counted[0]
        return counts[narrowest].attempts

    def succeeded(self, attempt: Attempt) -> None:
        """Take back what an attempt was counted for, and forgive those before it."""
        (narrowest, _), *wider = self._counted(attempt, self.clock.now())
        with self.transactions():
            for bucket, _ in sorted(wider, key=_bucket_of):
                self.store.give_back(bucket)
            self.store.clear(narrowest)

    def forgive(self, name: str, *kinds: str) -> None:
        """Forget what was counted by name, inside the caller's transaction."""
        for kind in kinds:
            self.store.clear(self._bucket("name", kind, name))

    def is_recorded(self, nth: int) -> bool:
        """Whether the nth failure in a row is worth an audit record: the first, and the last.

        Over all accounts and sources there is a limit, or strangers could fill the log.
        """
        if nth not in {1, PAIR_LIMIT.attempts}:
            return False
        now = self.clock.now()
        bucket = self._bucket("records")
        count = self.store.find(bucket, now)
        if count is not None and count.attempts >= RECORD_LIMIT.attempts:
            return False
        with self.transactions():
            self.store.add(bucket, now, RECORD_LIMIT.window)
        return True

    def _counted(self, attempt: Attempt, now: datetime) -> list[tuple[str, Limit]]:
        """The buckets that an attempt falls into, the narrowest first."""
        kind, name, source = attempt.kind, attempt.name, _site(attempt.source)
        if attempt.device is not None:
            bucket = self._bucket("device", kind, attempt.device)
            count = self.store.find(bucket, now)
            if count is None or count.attempts < DEVICE_LIMIT.attempts:
                return [(bucket, DEVICE_LIMIT)]
        return [
            (self._bucket("pair", kind, name, source), PAIR_LIMIT),
            (self._bucket("source", kind, source), SOURCE_LIMIT),
            (self._bucket("name", kind, name), NAME_LIMIT),
        ]

    def _bucket(self, *parts: str) -> str:
        joined = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.new(self.key(), joined, hashlib.sha256).hexdigest()[:_BUCKET_HEX_DIGITS]


def _bucket_of(counted: tuple[str, Limit]) -> str:
    return counted[0]


def _site(source: str) -> str:
    """An address, of version 6 the network that one customer has."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return source
    return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False))
