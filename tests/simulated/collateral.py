"""Fakes of the collateral ports, and AMD's genuine certificates among the vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fakes import NOON
from paths import VECTORS

from app.attestation.collateral.ports import Collateral, CollateralSummary, State
from app.trust.errors import (
    CollateralUnavailableError,
    StoreUnavailableError,
    UnknownPlatformError,
)


@dataclass
class MemoryCollateral:
    """A source (and keeper) that has the documents it was given.

    Attributes:
        documents: bodies by name.
        asked: the names that were asked for, in order.
        kept: what it was told to keep.
    """

    documents: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    kept: list[Collateral] = field(default_factory=list)

    def get(self, name: str) -> Collateral:
        """The port ``CollateralSource``."""
        self.asked.append(name)
        if name not in self.documents:
            raise CollateralUnavailableError(f"no source has {name}")
        return Collateral(name, self.documents[name], {}, NOON, "memory")

    def keep(self, collateral: Collateral) -> None:
        """The port ``CollateralKeeper``."""
        self.kept.append(collateral)


class VendorCollateral(MemoryCollateral):
    """A source whose vendor answers: it certified no other chips than these."""

    def get(self, name: str) -> Collateral:
        """The port ``CollateralSource``."""
        if name not in self.documents and ("/vcek/" in name or name.startswith("hygon/")):
            self.asked.append(name)
            raise UnknownPlatformError(f"nobody has certified {name}")
        return super().get(name)


@dataclass
class MemoryCollateralStore:
    """The port ``CollateralStore``.

    Attributes:
        documents: by name.
        down: whether it refuses.
    """

    documents: dict[str, Collateral] = field(default_factory=dict)
    down: bool = False

    def find(self, name: str) -> Collateral | None:
        """The newest document of this name."""
        return self.documents.get(name)

    def put(self, collateral: Collateral) -> bool:
        """Keep a document, unless it is older than the one that is there."""
        if self.down:
            raise StoreUnavailableError("the store is down")
        held = self.documents.get(collateral.name)
        if held is not None and not _is_newer(collateral, held):
            return False
        self.documents[collateral.name] = collateral
        return True

    def page(self, *, after: str | None, limit: int) -> list[CollateralSummary]:
        """Summaries by name."""
        names = sorted(name for name in self.documents if after is None or name > after)
        return [summary(self.documents[name]) for name in names[:limit]]

    def held(self, names: Sequence[str]) -> list[CollateralSummary]:
        """Those of some names that are there."""
        return [summary(self.documents[name]) for name in sorted(names) if name in self.documents]

    def counts(self, now: datetime) -> dict[State, int]:
        """How many documents are in each state."""
        states = [each.state(now) for each in self.documents.values()]
        return {each: states.count(each) for each in (State.FRESH, State.AGEING, State.STALE)}

    def expiring(self, *, since: datetime | None = None, limit: int) -> list[CollateralSummary]:
        """Those with a date, the soonest first."""
        dated = [
            (each.expires_at, each.name)
            for each in self.documents.values()
            if each.expires_at is not None and (since is None or each.expires_at >= since)
        ]
        return [summary(self.documents[name]) for _, name in sorted(dated)[:limit]]

    def due(self, now: datetime, limit: int) -> list[str]:
        """The longest due first."""
        due = [
            (each.ageing_at, each.name)
            for each in self.documents.values()
            if each.ageing_at is not None and each.ageing_at <= now
        ]
        return [name for _, name in sorted(due)[:limit]]

    def postpone(self, name: str, until: datetime) -> None:
        """Have a document due later."""
        if name in self.documents:
            self.documents[name] = replace(self.documents[name], ageing_at=until)


def _is_newer(new: Collateral, held: Collateral) -> bool:
    if new.fetched_at < held.fetched_at:
        return False
    if held.issued_at is None:
        return True
    return new.issued_at is not None and new.issued_at >= held.issued_at


def summary(document: Collateral) -> CollateralSummary:
    """A document without its bytes."""
    return CollateralSummary(
        document.name,
        document.source,
        len(document.unverified_body),
        document.fetched_at,
        document.issued_at,
        document.expires_at,
        document.ageing_at,
    )


@dataclass
class MemoryLeases:
    """The port ``FetchLeases``."""

    held: dict[str, datetime] = field(default_factory=dict)

    def take(self, subject: str, now: datetime, until: datetime) -> bool:
        """Have a subject to oneself."""
        if self.held.get(subject, now) > now:
            return False
        self.held[subject] = until
        return True

    def held_until(self, subject: str, now: datetime) -> datetime | None:
        """Until when somebody has it."""
        until = self.held.get(subject)
        return until if until is not None and until > now else None

    def hold(self, subject: str, until: datetime) -> None:
        """Have it held."""
        self.held[subject] = until

    def release(self, subject: str) -> None:
        """Let go of it."""
        self.held.pop(subject, None)


@dataclass
class MemoryImports:
    """The port ``BundleImports``."""

    noted: dict[str, datetime] = field(default_factory=dict)

    def newest(self, signer: str) -> datetime | None:
        """When the newest of its bundles was made."""
        return self.noted.get(signer)

    def note(self, signer: str, created_at: datetime) -> None:
        """Write an import down."""
        self.noted[signer] = created_at


def genuine_amd() -> dict[str, bytes]:
    """AMD's chains of every generation, as the KDS serves them, by collateral name."""
    documents = {}
    for generation in ("milan", "genoa", "turin"):
        text = (VECTORS / "roots" / f"{generation}_ask_ark_asvk.pem").read_bytes()
        ask, ark, asvk = re.findall(rb"-----BEGIN.+?END CERTIFICATE-----\n", text, re.DOTALL)
        documents[f"amd/{generation}/cert_chain"] = ask + ark
        documents[f"amd/{generation}/vlek_cert_chain"] = asvk + ark
    return documents
