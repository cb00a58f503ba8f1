"""The collateral port: vendor certificates, TCB info and revocation lists, by name.

A name says vendor, kind and subject, in lower case, joined by ``/``, and maps to exactly one
document. What comes back is *unverified*: a verifier checks signatures up to a pinned root.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Collateral:
    """One document from a vendor.

    Attributes:
        name: as asked for.
        unverified_body: the bytes as the vendor serves them (PEM, DER or JSON text).
        unverified_headers: response headers that belong to it (issuer chains of Intel's PCS), with
            lower-case names.
        fetched_at: when it was fetched, UTC.
        source: where it came from: ``cache``, ``offline:<folder>`` or the service's base address.
    """

    name: str
    unverified_body: bytes
    unverified_headers: dict[str, str]
    fetched_at: datetime
    source: str


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
    """The cache that replicas share."""

    def find(self, name: str) -> Collateral | None:
        """The newest document of this name."""
        ...

    def put(self, collateral: Collateral) -> None:
        """Keep a document; replaces an older one of the same name. Its own transaction."""
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
