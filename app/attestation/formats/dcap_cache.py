"""A bounded memory of what was verified, by the digest of all that the verification read."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def digest_of(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each with its length, so that no two lists collide."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


class VerifiedCache(Generic[T]):
    """Keeps the newest results; safe to share between threads.

    A failure is not kept: whoever sends garbage pays for it again and displaces nothing.
    """

    __slots__ = ("_entries", "_limit", "_lock")

    def __init__(self, limit: int) -> None:
        """Keep at most ``limit`` results."""
        self._entries: OrderedDict[bytes, T] = OrderedDict()
        self._limit = limit
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, verify: Callable[[], T]) -> T:
        """The result for the key; ``verify`` makes it when it is not there, and may raise."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        # Verified outside of the lock: two threads may do the same work once, none has to wait.
        made = verify()
        with self._lock:
            self._entries[key] = made
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        return made
