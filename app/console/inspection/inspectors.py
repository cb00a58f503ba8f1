"""Everything that takes something apart, for whoever renders it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.attestation.inspection import EvidenceInspector
from app.console.inspection.resource_uris import URIInspector
from app.console.inspection.tokens import TokenInspector


@dataclass(frozen=True, slots=True)
class Inspectors:
    """One for each kind of thing; init data need none.

    Attributes:
        server_certificate: PEM that guests check this server against; ``""`` when that is not
            known here.
    """

    tokens: TokenInspector
    evidence: EvidenceInspector
    uris: URIInspector
    server_certificate: Callable[[], str]
