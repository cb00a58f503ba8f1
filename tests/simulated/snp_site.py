"""A simulated machine, and a verifier that trusts its root."""

from __future__ import annotations

from typing import Any

from fakes import NOON
from simulated.collateral import MemoryCollateral, genuine_amd

from app.attestation.evidence import (
    Binding,
    Claims,
    Context,
    UnverifiedEvidence,
)
from app.attestation.verifiers.snp import SNPVerifier
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, SimulatedSNP, make_chip

UNBOUND = Binding(None)


def verify(
    evidence: Any,
    binding: Binding = UNBOUND,
    verifier: SNPVerifier | None = None,
    collateral: MemoryCollateral | None = None,
    **options: str,
) -> Claims:
    """The one set of claims, or the refusal."""
    collateral = collateral or MemoryCollateral(genuine_amd())
    context = Context(NOON, collateral, options)
    (claims,) = (verifier or SNPVerifier()).verify(
        UnverifiedEvidence("snp", evidence), binding, context
    )
    return claims


class Site:
    """A simulated chip, and a verifier that trusts its root."""

    def __init__(self, generation: str = "Milan", kind: str = "VCEK") -> None:
        self.amd = SimulatedAMD(generation)
        self.kind = kind
        self.chip = make_chip(self.amd, kind)
        self.verifier = SNPVerifier().with_extra_roots(self.amd.root_pem)
        self.collateral = MemoryCollateral(self.amd.documents())

    @property
    def crl_name(self) -> str:
        """Of the revocation list of its generation."""
        return f"amd/{self.amd.generation.lower()}/crl"

    def evidence(self, chip: SimulatedSNP | None = None, **fields: Any) -> dict[str, Any]:
        """Evidence of the chip, or of another under the same root."""
        chip = chip or self.chip
        return chip.evidence(chip.report(ReportFields(**fields)))

    def verify(self, evidence: Any, binding: Binding = UNBOUND, **options: str) -> Claims:
        """The claims, or the refusal."""
        return verify(evidence, binding, self.verifier, self.collateral, **options)
