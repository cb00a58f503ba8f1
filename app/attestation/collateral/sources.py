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
from app.attestation.collateral.dates import dated
from app.attestation.collateral.offline import OfflineSource
from app.attestation.collateral.ports import Collateral, CollateralStore, State
from app.attestation.collateral.vendor import (
    CollateralJudge,
    SharedCollateral,
    VendorSource,
    believe,
)
from app.trust.clock import Clock
from app.trust.errors import (
    CollateralUnavailableError,
    ConfigError,
    MalformedRequestError,
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
        mirrors: further services of the same documents, asked after the vendors' own.
        bundles: places of a form of their own, asked before the vendors' services.
        refresh_before: how long before its end a newer document is asked for.
        judge: looks at what a service answered, before it is believed to be a document.
    """

    sources: tuple[str, ...]
    catalogues: tuple[VendorCatalogue, ...]
    mirrors: tuple[VendorCatalogue, ...] = ()
    bundles: tuple[Source, ...] = ()
    refresh_before: timedelta = timedelta(days=3)
    judge: CollateralJudge = believe


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
        refresh_before: how long before its end a newer document is asked for.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        catalogues: Sequence[VendorCatalogue],
        store: CollateralStore | None,
        clock: Clock,
        refresh_before: timedelta = timedelta(days=3),
    ) -> None:
        self._sources = tuple(sources)
        self._catalogues = tuple(catalogues)
        self._store = store
        self._clock = clock
        self._refresh_before = refresh_before
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """The places in their order, as an operator knows them."""
        return tuple(source.name for source in self._sources)

    @property
    def asks_vendors(self) -> bool:
        """Whether vendors' services are among the places."""
        return VENDOR in self.names

    def get(self, name: str) -> Collateral:
        """The document from the first place whose copy is fresh, or else the least stale copy.

        A copy that is not fresh still serves when no place has a better one: whether it is
        acceptable is for settings and for the verifier to say, who reads the vendor's own dates.

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
            self._store.put(self.dated(collateral))
        except StoreUnavailableError as error:
            # The document at hand serves; only the next process will have to ask again.
            _log.warning("collateral not kept", name=collateral.name, reason=error.code)

    def fetch(self, name: str) -> Collateral:
        """The document as the vendor serves it now; it is not kept.

        Raises:
            MalformedRequestError: no vendor has such a document.
            CollateralUnavailableError: no vendor is asked here, or none answers with it.
        """
        self.check_name(name)
        waits, tried = [], False
        for source in self._sources:
            if source.name != VENDOR:
                continue
            tried = True
            try:
                found = source.find(name)
            except CollateralUnavailableError as error:
                waits.append(error.retry_after)
                continue
            if found is not None:
                return self.dated(found)
        message = f"no vendor's service has {name}" if tried else "no vendor is asked here"
        raise CollateralUnavailableError(message, retry_after=min(waits, default=_NOWHERE_RETRY))

    def check_name(self, name: str) -> None:
        """A vendor has a document of this name, or could have.

        Raises:
            MalformedRequestError: none has.
        """
        if not is_collateral_name(name) or self.document(name) is None:
            raise MalformedRequestError("no vendor has a document of this name")

    def at_hand(self, name: str) -> Collateral | None:
        """The first copy that can be had without asking a vendor."""
        for source in self._sources:
            if source.name == VENDOR:
                continue
            try:
                found = source.find(name)
            except CollateralUnavailableError:
                continue
            if found is not None:
                return self.dated(found)
        return None

    def dated(self, collateral: Collateral) -> Collateral:
        """The document with its dates, and when a newer one is to be asked for."""
        return dated(collateral, self.document(collateral.name), self._refresh_before)

    def document(self, name: str) -> VendorDocument | None:
        """What a vendor's catalogue says about a name."""
        for catalogue in self._catalogues:
            if name.startswith(catalogue.prefix):
                return catalogue.find(name)
        return None

    def forget(self, name: str) -> None:
        """Look the document up again when it is next asked for."""
        with self._lock:
            self._remembered.pop(name, None)

    def rest_is_over(self) -> None:
        """Ask vendors again that were left alone: an operator says that they answer."""
        for source in self._sources:
            if isinstance(source, VendorSource):
                source.rest_is_over()

    def _look_up(self, name: str) -> Collateral | _Absence:
        if not is_collateral_name(name):
            return _Absence("not a collateral name", _NOWHERE_RETRY)
        document = self.document(name)
        best: Collateral | None = None
        waits: list[int] = []
        # Documents whose names are made of evidence: of a chip that its vendor does not know.
        is_final = document is not None and not document.countable and VENDOR in self.names
        for source in self._sources:
            try:
                found = source.find(name)
            except CollateralUnavailableError as error:
                waits.append(error.retry_after)
                is_final = False
                continue
            if found is None:
                continue
            found = self.dated(found)
            if source.name == VENDOR and document is not None and document.countable:
                self.keep(found)
            best = self._better(best, found)
            if best.state(self._clock.now()) is State.FRESH:
                return best
        # As soon as any of the places may be better.
        return best or self._absence(name, min(waits, default=_NOWHERE_RETRY), is_final=is_final)

    def _better(self, best: Collateral | None, found: Collateral) -> Collateral:
        """The copy that serves: what was issued later, then what is fresher, then the first."""
        if best is None or _is_older(best, found):
            return found
        now = self._clock.now()
        if not _is_older(found, best) and found.state(now).rank < best.state(now).rank:
            return found
        return best

    def _absence(self, name: str, retry_after: int, *, is_final: bool) -> _Absence:
        # Guests read this message: it says which kinds of places were asked, not where they are.
        tried = ", ".join(place.partition(":")[0] for place in self.names) or "none is configured"
        message = f"no source has {name} (asked: {tried})"
        _log.warning("collateral unavailable", name=name, sources=self.names)
        return _Absence(message, retry_after, is_final)

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


def _is_older(one: Collateral, other: Collateral) -> bool:
    """Whether a vendor says that it issued one before the other."""
    return (
        one.issued_at is not None
        and other.issued_at is not None
        and one.issued_at < other.issued_at
    )


def open_collateral(
    plan: CollateralPlan, shared: SharedCollateral, client: HTTPClient, clock: Clock
) -> CollateralSources:
    """The sources of a plan, ready to be asked.

    Args:
        plan: where to look.
        shared: what replicas share; its store is behind ``cache``.
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
            sources += _open_sources(place, plan, shared, client, clock)
        except ConfigError as error:
            faults += error.faults
    if len(set(plan.sources)) != len(plan.sources):
        faults.append("collateral.sources: a source is named twice")
    if faults:
        raise ConfigError(faults)
    at = plan.sources.index(VENDOR) if VENDOR in plan.sources else len(sources)
    sources[at:at] = plan.bundles
    kept = shared.store if CACHE in plan.sources else None
    return CollateralSources(sources, plan.catalogues, kept, clock, plan.refresh_before)


def _open_sources(
    place: str,
    plan: CollateralPlan,
    shared: SharedCollateral,
    client: HTTPClient,
    clock: Clock,
) -> list[Source]:
    if place == CACHE:
        return [CacheSource(shared.store)]
    if place == VENDOR:
        catalogues = [plan.catalogues, *((mirror,) for mirror in plan.mirrors)]
        # Replicas see each other's documents only in the cache.
        known = shared if CACHE in plan.sources else None
        return [VendorSource(each, clock, client, plan.judge, known) for each in catalogues]
    if place.startswith(OFFLINE_PREFIX):
        return [OfflineSource(Path(place.removeprefix(OFFLINE_PREFIX)), plan.catalogues)]
    raise ConfigError([f"collateral.sources: {place!r} is none of cache, offline:<folder>, vendor"])
