"""Revisions: how every worker of every replica notices a change at its next request.

Each kind of shared state has a counter in the database that every write to it raises in its own
transaction. A use case reads all counters once, with one statement, and passes them to what it
asks; caches are keyed by them, so a cache can never serve what has been replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Revisions:
    """The counters at one moment; they only grow."""

    policies: int
    reference_values: int
    signing_keys: int
    issuers: int


class RevisionStore(Protocol):
    """Reads the counters."""

    def current(self) -> Revisions:
        """All counters, in one statement."""
        ...


class RevisionCache(Generic[T]):
    """Holds the newest form of one thing, together with the revision that it was loaded at."""

    def __init__(self, load: Callable[[], T]) -> None:
        """Take the function that loads the thing afresh."""
        self._load = load
        self._lock = Lock()
        self._held: tuple[int, T] | None = None

    def get(self, revision: int) -> T:
        """The thing, at least as new as this revision."""
        held = self._held
        if held is None or held[0] < revision:
            with self._lock:
                # The load may see a newer state than `revision` says; then the next request
                # with the newer counter loads once more, which is right and cheap.
                held = (revision, self._load())
                self._held = held
        return held[1]
