"""Fetches collateral before it is missed, so that no guest waits for a vendor.

A run asks for what is due, and for what every verification may need and is not there. It is bounded
in number and time: what remains is due at the next run. Replicas share the work through leases.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from app.attestation.collateral.ports import CollateralStore, State
from app.attestation.collateral.sources import CollateralSources
from app.trust.clock import Clock
from app.trust.errors import CollateralUnavailableError, DomainError

_MOST = 16
_LONGEST = timedelta(seconds=30)
# After this many seconds, or what the vendor says, a document that could not be had is due again.
_RETRY = 300

_log = structlog.get_logger(__name__)


@dataclass
class Refresher:
    """The background refresh.

    Attributes:
        standing: names of documents that every verification of an enabled TEE may need.
    """

    sources: CollateralSources
    store: CollateralStore
    clock: Clock
    standing: tuple[str, ...] = ()
    _later: dict[str, datetime] = field(default_factory=dict)
    _running: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> int:
        """Fetch what is due; how many documents came.

        Raises:
            StoreUnavailableError: the cache does not answer.
        """
        if not self.sources.asks_vendors or not self._running.acquire(blocking=False):
            return 0
        try:
            return self._run()
        finally:
            self._running.release()

    def _run(self) -> int:
        began, count, lacking = self.clock.now(), 0, []
        for name in self._wanted(began):
            if self.clock.now() - began > _LONGEST:
                break
            try:
                count += self._fetch(name)
            except CollateralUnavailableError:
                lacking.append(name)
        if count:
            _log.info("collateral refreshed", documents=count)
        if lacking:
            # One line, however many: where vendors are out of reach it comes again and again.
            _log.warning("collateral not refreshed", documents=len(lacking), first=lacking[0])
        return count

    def _wanted(self, now: datetime) -> list[str]:
        kept = {each.name for each in self.store.held(self.standing)}
        missing = [
            name
            for name in self.standing
            if name not in kept and self._later.get(name, now) <= now and self._lacks(name, now)
        ]
        return [*missing, *self.store.due(now, _MOST)][:_MOST]

    def _lacks(self, name: str, now: datetime) -> bool:
        found = self.sources.at_hand(name)
        return found is None or found.state(now) is not State.FRESH

    def _fetch(self, name: str) -> int:
        """Fetch one document; whether it came, as a number.

        Raises:
            CollateralUnavailableError: no source has it; when to try again is noted.
        """
        try:
            found = self.sources.fetch(name)
        except DomainError as error:
            later = getattr(error, "retry_after", _RETRY)
            until = self.clock.now() + timedelta(seconds=max(later, _RETRY))
            self._later[name] = until
            self.store.postpone(name, until)
            if isinstance(error, CollateralUnavailableError):
                raise
            return 0
        if not self.store.put(found):
            # An older document than ours, or none with a date: not worth asking for again soon.
            self.store.postpone(name, self.clock.now() + timedelta(hours=1))
            return 0
        self.sources.forget(name)
        self._later.pop(name, None)
        return 1
