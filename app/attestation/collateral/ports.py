"""The collateral port: vendor certificates, TCB info and revocation lists, by name.

A name says vendor, kind and subject, in lower case, joined by ``/``, and maps to exactly one
document. What comes back is *unverified*: a verifier checks signatures up to a pinned root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol, runtime_checkable

from app.trust.errors import CollateralUnavailableError


class State(Enum):
    """How a document stands at a moment; those further down are worse."""

    FRESH = "fresh"
    AGEING = "ageing"
    STALE = "stale"
    MISSING = "missing"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(State).index(self)


@dataclass(frozen=True, slots=True)
class Collateral:
    """One document from a vendor.

    The dates are read from the unverified document. They decide when a newer one is asked for and
    how it is listed; verifiers judge the dates of what they verified.

    Attributes:
        name: as asked for.
        unverified_body: the bytes as the vendor serves them (PEM, DER or JSON text).
        unverified_headers: response headers that belong to it (issuer chains of Intel's PCS), with
            lower-case names.
        fetched_at: when it was fetched, UTC.
        source: where it came from: ``cache``, ``offline:<folder>`` or the service's base address.
        issued_at: when its vendor issued it, UTC; ``None`` where it does not say.
        expires_at: when its vendor no longer stands by it, UTC; ``None`` where it does not say.
        ageing_at: when a newer one should be asked for, UTC; ``None`` for what never changes.
    """

    name: str
    unverified_body: bytes
    unverified_headers: dict[str, str]
    fetched_at: datetime
    source: str
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    ageing_at: datetime | None = None

    def state(self, now: datetime) -> State:
        """How it stands."""
        return state_at(now, self.ageing_at, self.expires_at)


def state_at(now: datetime, ageing_at: datetime | None, expires_at: datetime | None) -> State:
    """How a document with these dates stands."""
    if expires_at is not None and now >= expires_at:
        return State.STALE
    if ageing_at is not None and now >= ageing_at:
        return State.AGEING
    return State.FRESH


@dataclass(frozen=True, slots=True)
class CollateralSummary:
    """A kept document without its bytes; attributes as those of ``Collateral``."""

    name: str
    source: str
    size: int
    fetched_at: datetime
    issued_at: datetime | None
    expires_at: datetime | None
    ageing_at: datetime | None

    def state(self, now: datetime) -> State:
        """How it stands."""
        return state_at(now, self.ageing_at, self.expires_at)


class CollateralSource(Protocol):
    """Finds collateral in the configured places, in the configured order."""

    def get(self, name: str) -> Collateral:
        """The document of this name from the first source that has it.

        Raises:
            CollateralUnavailableError: no source has it; the message names it and every source
                that was tried.
            UnknownPlatformError: the vendor says that it has certified no such platform.
        """
        ...


class CollateralStore(Protocol):
    """The cache that replicas share. Each call is a transaction of its own."""

    def find(self, name: str) -> Collateral | None:
        """The newest document of this name."""
        ...

    def put(self, collateral: Collateral) -> bool:
        """Keep a document; replaces an older one of the same name.

        Returns:
            Whether it was kept: not when the one that is there was fetched later, or was issued
            later by its vendor.
        """
        ...

    def page(self, *, after: str | None, limit: int) -> list[CollateralSummary]:
        """Summaries by name, beginning behind a name."""
        ...

    def held(self, names: Sequence[str]) -> list[CollateralSummary]:
        """Summaries of those of some names that are there, by name."""
        ...

    def counts(self, now: datetime) -> dict[State, int]:
        """How many documents are in each state."""
        ...

    def expiring(self, *, since: datetime | None = None, limit: int) -> list[CollateralSummary]:
        """Those whose vendors set a date, the soonest first; only those from a moment on."""
        ...

    def due(self, now: datetime, limit: int) -> list[str]:
        """Names of documents that a newer one should be asked for, the longest due first."""
        ...

    def postpone(self, name: str, until: datetime) -> None:
        """Have a document due later: nobody had a newer one."""
        ...


class BundleImports(Protocol):
    """What was imported from each signer."""

    def newest(self, signer: str) -> datetime | None:
        """When the newest of its bundles was made; ``None`` before the first."""
        ...

    def note(self, signer: str, created_at: datetime) -> None:
        """Write an import down, inside the caller's transaction."""
        ...


class FetchLeases(Protocol):
    """What replicas tell each other about vendors' services. Each call is its own transaction."""

    def take(self, subject: str, now: datetime, until: datetime) -> bool:
        """Have a subject to oneself until a moment; whether nobody else has it."""
        ...

    def held_until(self, subject: str, now: datetime) -> datetime | None:
        """Until when somebody has it; ``None`` when nobody does."""
        ...

    def hold(self, subject: str, until: datetime) -> None:
        """Have it held, whoever has it."""
        ...

    def release(self, subject: str) -> None:
        """Let go of it."""
        ...


@runtime_checkable
class CollateralKeeper(Protocol):
    """A source that can be told that a document has verified evidence and is worth keeping.

    Documents whose names are made of unverified evidence (a chip's certificate) are kept only
    so, because anyone can invent such names.
    """

    def keep(self, collateral: Collateral) -> None:
        """Put the document into the cache that replicas share."""
        ...


@runtime_checkable
class CollateralWitness(Protocol):
    """A source that can be told that a verifier does without a document which it gave.

    What cannot be used is as good as missing: otherwise whoever stands between us and a vendor
    could have a check left out by answering with anything.
    """

    def found_unusable(self, error: CollateralUnavailableError) -> None:
        """Note that a document is of no use, and why."""
        ...
