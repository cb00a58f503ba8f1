"""The configured places where collateral is looked for, asked in the configured order.

``cache`` is the store that replicas share, ``offline:<folder>`` a folder that is only read,
``vendor`` the vendors' own services. A vendor plugs in with a ``VendorCatalogue`` (``catalogue``);
a document that comes in a form of its own plugs in with a ``Source``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from app.attestation.collateral.catalogue import (
    VendorCatalogue,
    VendorDocument,
    is_collateral_name,
)
from app.attestation.collateral.offline import OfflineSource
from app.attestation.collateral.ports import Collateral, CollateralStore
from app.attestation.collateral.vendor import VendorSource
from app.trust.clock import Clock
from app.trust.errors import (
    CollateralUnavailableError,
    ConfigError,
    StoreUnavailableError,
    UnknownPlatformError,
)
from app.trust.http_client import HTTPClient

CACHE = "cache"
VENDOR = "vendor"
OFFLINE_PREFIX = "offline:"

# How long a document, or the news that there is none, is remembered inside a process: short enough
# that nobody waits for a new one, long enough that attestations do not read the store for it.
_REMEMBER_FOR = timedelta(seconds=60)
_REMEMBER_AT_MOST = 256
_NOWHERE_RETRY = 60

_log = structlog.get_logger(__name__)


class Source(Protocol):
    """One place.

    Attributes:
        name: what messages call it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above

    def find(self, name: str) -> Collateral | None:
        """The document of this name; ``None`` when this place does not have it.

        Raises:
            CollateralUnavailableError: it could not be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class CacheSource:
    """The shared store as a place to look."""

    store: CollateralStore
    name: str = CACHE

    def find(self, name: str) -> Collateral | None:
        """The copy in the store."""
        found = self.store.find(name)
        return None if found is None else replace(found, source=CACHE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralPlan:
    """Where to look; what ``open_collateral`` builds.

    Attributes:
        sources: in order: ``cache``, ``offline:<folder>``, ``vendor``.
        catalogues: the vendors.
        bundles: places of a form of their own, asked before the vendors' services.
    """

    sources: tuple[str, ...]
    catalogues: tuple[VendorCatalogue, ...]
    bundles: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class _Absence:
    """Nobody has it; the error is raised afresh for each who asks.

    Attributes:
        message: for whoever asks.
        retry_after: whole seconds.
        is_final: whether the vendor itself said that there is no such platform.
    """

    message: str
    retry_after: int
    is_final: bool = False

    def error(self) -> UnknownPlatformError | CollateralUnavailableError:
        """What to raise."""
        if self.is_final:
            return UnknownPlatformError(self.message)
        return CollateralUnavailableError(self.message, retry_after=self.retry_after)


@dataclass(frozen=True, slots=True)
class _Remembered:
    outcome: Collateral | _Absence
    until: datetime


class CollateralSources:
    """Finds collateral in an order; keeps what came from a vendor in the shared store.

    Args:
        sources: the places, first to last.
        catalogues: tell how long a document serves, and which are kept at once.
        store: where documents are kept; ``None`` keeps none.
        clock: judges their age.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        catalogues: Sequence[VendorCatalogue],
        store: CollateralStore | None,
        clock: Clock,
    ) -> None:
        self._sources = tuple(sources)
        self._catalogues = tuple(catalogues)
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """The places in their order, as an operator knows them."""
        return tuple(source.name for source in self._sources)

    def get(self, name: str) -> Collateral:
        """The document from the first place that has a copy of acceptable age.

        A copy past that age still serves when no place has a newer one: whether it is acceptable
        is for the verifier to say, who reads the vendor's own dates in it.

        Raises:
            CollateralUnavailableError: no source has it.
            UnknownPlatformError: every source could be asked, the vendor among them, and the
                vendor has no document of a platform that the evidence names.
        """
        known = self._recall(name)
        if known is None:
            known = self._look_up(name)
            self._remember(name, known)
        if isinstance(known, _Absence):
            raise known.error()
        return known

    def keep(self, collateral: Collateral) -> None:
        """Put a document that has verified evidence into the shared store."""
        if self._store is None or collateral.source.startswith((CACHE, OFFLINE_PREFIX)):
            return
        try:
            self._store.put(collateral)
        except StoreUnavailableError as error:
            # The document at hand serves; only the next process will have to ask again.
            _log.warning("collateral not kept", name=collateral.name, reason=error.code)

    def _look_up(self, name: str) -> Collateral | _Absence:
        if not is_collateral_name(name):
            return _Absence("not a collateral name", _NOWHERE_RETRY)
        document = self._document(name)
        aged: Collateral | None = None
        retry_after = _NOWHERE_RETRY
        # Documents whose names are made of evidence: of a chip that its vendor does not know.
        is_final = document is not None and not document.countable and VENDOR in self.names
        for source in self._sources:
            try:
                found = source.find(name)
            except CollateralUnavailableError as error:
                retry_after = min(retry_after, error.retry_after)
                is_final = False
                continue
            if found is None:
                continue
            if not self._is_aged(found, document):
                return self._take(found, source, document)
            aged = aged or found
        return aged or self._absence(name, retry_after, is_final=is_final)

    def _take(
        self, found: Collateral, source: Source, document: VendorDocument | None
    ) -> Collateral:
        if source.name == VENDOR and document is not None and document.countable:
            self.keep(found)
        return found

    def _absence(self, name: str, retry_after: int, *, is_final: bool) -> _Absence:
        # Guests read this message: it says which kinds of places were asked, not where they are.
        tried = ", ".join(place.partition(":")[0] for place in self.names) or "none is configured"
        message = f"no source has {name} (asked: {tried})"
        _log.warning("collateral unavailable", name=name, sources=self.names)
        return _Absence(message, retry_after, is_final)

    def _document(self, name: str) -> VendorDocument | None:
        for catalogue in self._catalogues:
            if name.startswith(catalogue.prefix):
                return catalogue.find(name)
        return None

    def _is_aged(self, found: Collateral, document: VendorDocument | None) -> bool:
        max_age = document.max_age if document is not None else None
        return max_age is not None and self._clock.now() - found.fetched_at > max_age

    def _recall(self, name: str) -> Collateral | _Absence | None:
        with self._lock:
            known = self._remembered.get(name)
            if known is None or known.until < self._clock.now():
                return None
            self._remembered.move_to_end(name)
            return known.outcome

    def _remember(self, name: str, outcome: Collateral | _Absence) -> None:
        length = _REMEMBER_FOR
        if isinstance(outcome, _Absence):
            length = min(length, timedelta(seconds=outcome.retry_after))
        with self._lock:
            self._remembered[name] = _Remembered(outcome, self._clock.now() + length)
            self._remembered.move_to_end(name)
            while len(self._remembered) > _REMEMBER_AT_MOST:
                self._remembered.popitem(last=False)


def open_collateral(
    plan: CollateralPlan, store: CollateralStore, client: HTTPClient, clock: Clock
) -> CollateralSources:
    """The sources of a plan, ready to be asked.

    Args:
        plan: where to look.
        store: behind ``cache``.
        client: asks the vendors' services.
        clock: judges the age of documents.

    Raises:
        ConfigError: an unknown source, one named twice, or a folder that does not exist; all
            faults are listed.
    """
    faults: list[str] = []
    sources: list[Source] = []
    for place in plan.sources:
        try:
            sources.append(_open_source(place, plan, store, client, clock))
        except ConfigError as error:
            faults += error.faults
    if len(set(plan.sources)) != len(plan.sources):
        faults.append("collateral.sources: a source is named twice")
    if faults:
        raise ConfigError(faults)
    at = plan.sources.index(VENDOR) if VENDOR in plan.sources else len(sources)
    sources[at:at] = plan.bundles
    kept = store if CACHE in plan.sources else None
    return CollateralSources(sources, plan.catalogues, kept, clock)


def _open_source(
    place: str, plan: CollateralPlan, store: CollateralStore, client: HTTPClient, clock: Clock
) -> Source:
    if place == CACHE:
        return CacheSource(store)
    if place == VENDOR:
        return VendorSource(plan.catalogues, clock, client)
    if place.startswith(OFFLINE_PREFIX):
        return OfflineSource(Path(place.removeprefix(OFFLINE_PREFIX)), plan.catalogues)
    raise ConfigError([f"collateral.sources: {place!r} is none of cache, offline:<folder>, vendor"])
