"""Fakes of the collateral ports, and AMD's genuine certificates among the vectors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fakes import NOON
from paths import VECTORS

from app.attestation.collateral.ports import Collateral
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
        if name not in self.documents:
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

    def put(self, collateral: Collateral) -> None:
        """Keep a document."""
        if self.down:
            raise StoreUnavailableError("the store is down")
        self.documents[collateral.name] = collateral


def genuine_amd() -> dict[str, bytes]:
    """AMD's chains of every generation, as the KDS serves them, by collateral name."""
    documents = {}
    for generation in ("milan", "genoa", "turin"):
        text = (VECTORS / "roots" / f"{generation}_ask_ark_asvk.pem").read_bytes()
        ask, ark, asvk = re.findall(rb"-----BEGIN.+?END CERTIFICATE-----\n", text, re.DOTALL)
        documents[f"amd/{generation}/cert_chain"] = ask + ark
        documents[f"amd/{generation}/vlek_cert_chain"] = asvk + ark
    return documents
