"""SNP, and Azure's machines on SNP: one refusal for each check and each of its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fakes import NOON
from refusals.azure import INIT_DATA, PLAN, REPORT_DATA, machine_rows
from simulated.collateral import MemoryCollateral, VendorCollateral

from app.attestation.evidence import Binding, Context, UnverifiedEvidence, Verifier
from app.attestation.verifiers.az_snp_vtpm import AzureSNPVerifier
from app.attestation.verifiers.snp import SNPVerifier
from app.lab.amd_authority import START, SimulatedAMD
from app.lab.snp import ReportFields, SimulatedSNP, faultless_leaf, make_chip
from app.lab.vtpm import (
    AzureSNP,
    QuotePlan,
    bound_to,
    hcl_report,
    member,
    quote_member,
    variable_data,
)

Attempt = Callable[[], object]
Rows = dict[str, Attempt]
DAY = timedelta(days=1)
AMD = SimulatedAMD("Milan")
STRANGER = SimulatedAMD("Milan", number=1)
TCB = faultless_leaf("Milan").tcb


@dataclass(frozen=True)
class Kind:
    """What the checks of a report differ in.

    Attributes:
        evidence: of a chip, whose report says what it is told to.
    """

    tee: str
    verifier: Verifier
    binding: Binding
    evidence: Callable[..., Any]

    def verify(self, evidence: Any, source: MemoryCollateral | None = None, **options: Any) -> Any:
        """The claims, or the refusal."""
        context = Context(NOON, source or MemoryCollateral(AMD.documents()), options)
        return self.verifier.verify(UnverifiedEvidence(self.tee, evidence), self.binding, context)

    def attempt(self, **fields: Any) -> Attempt:
        """A report that says something else, and is signed."""
        return lambda: self.verify(self.evidence(make_chip(AMD), **fields))

    def planned(self, **changes: Any) -> Attempt:
        """A certificate that says something else."""
        plan = replace(faultless_leaf("Milan"), **changes)
        return lambda: self.verify(self.evidence(make_chip(AMD, plan=plan)))

    def published(self, name: str, body: bytes | None, **options: Any) -> Attempt:
        """A document of AMD's that is another, or that nobody has."""
        documents = {**AMD.documents(), name: body}
        found = {each: data for each, data in documents.items() if data is not None}
        return lambda: self.verify(
            self.evidence(make_chip(AMD)), MemoryCollateral(found), **options
        )


def snp_evidence(chip: SimulatedSNP, **fields: Any) -> dict[str, Any]:
    """As guests send it."""
    return chip.evidence(chip.report(ReportFields(**fields)))


def azure_evidence(chip: SimulatedSNP, **fields: Any) -> dict[str, Any]:
    """The same of a virtual machine with a TPM."""
    variable = variable_data(REPORT_DATA)
    report = chip.report(ReportFields(**{"report_data": bound_to(variable)} | fields))
    return {
        "version": 2,
        "tpm_quote": quote_member(PLAN, 2),
        "hcl_report": member(hcl_report(report, variable), 2),
        "vcek": member(chip.certificate, 2),
    }


SNP = Kind("snp", SNPVerifier().with_extra_roots(AMD.root_pem), Binding(None), snp_evidence)
AZURE = Kind(
    "az-snp-vtpm",
    AzureSNPVerifier().with_extra_roots(AMD.root_pem),
    Binding(REPORT_DATA, INIT_DATA),
    azure_evidence,
)


def report_rows(kind: Kind) -> Rows:
    """Checks 2 to 11 of ``snp``."""
    chain, crl = "amd/milan/cert_chain", "amd/milan/crl"
    foreign = replace(make_chip(AMD), key=ec.generate_private_key(ec.SECP384R1()))
    chains = STRANGER.documents()
    return {
        "2 collateral-unavailable": kind.published(chain, None),
        "2 root-untrusted": kind.published(chain, chains[chain]),
        "3 chain-invalid": lambda: kind.verify(kind.evidence(make_chip(STRANGER))),
        "4 certificate-expired": kind.planned(not_after=START + DAY),
        "5 certificate-revoked": kind.published(crl, AMD.crl(AMD.ask)),
        "5 signature-invalid": kind.published(crl, AMD.crl(signer="ask")),
        "5 collateral-stale": kind.published(
            crl, AMD.crl(next_update=NOON - DAY), revocation="require"
        ),
        "5 collateral-unavailable": kind.published(crl, None, revocation="require"),
        "6 signature-invalid": kind.attempt(signature_algorithm=2),
        "7 chain-invalid": kind.attempt(signing_key=1),
        "8 signature-invalid": lambda: kind.verify(kind.evidence(foreign)),
        "9 tcb-mismatch": kind.attempt(tcb={**TCB, "snp": 23}),
        "10 collateral-mismatch": kind.attempt(chip_id=b"\1" * 64),
        "11 privilege-level": kind.attempt(vmpl=1),
    }


def snp_rows() -> Rows:
    """All of ``snp``."""

    def bound(binding: Binding) -> Attempt:
        evidence = snp_evidence(make_chip(AMD), report_data=b"bound", host_data=bytes(32))
        return lambda: replace(SNP, binding=binding).verify(evidence)

    def unknown() -> object:
        evidence = {**snp_evidence(make_chip(AMD)), "cert_chain": None}
        return SNP.verify(evidence, VendorCollateral(AMD.documents()))

    return {
        "1 malformed-evidence": SNP.attempt(version=6),
        **report_rows(SNP),
        "2 platform-unknown": unknown,
        "12 binding-mismatch": bound(Binding(b"other")),
        "13 init-data-mismatch": bound(Binding(b"bound", b"\1" * 32)),
    }


def az_snp_rows() -> Rows:
    """All of ``az-snp-vtpm``; its evidence always has its VCEK."""
    machine = AzureSNP(AMD)
    context = Context(NOON, MemoryCollateral(AMD.documents()))

    def verify(evidence: Any, binding: Binding) -> object:
        return AZURE.verifier.verify(UnverifiedEvidence(AZURE.tee, evidence), binding, context)

    borrowed = {f"snp:{label}": attempt for label, attempt in report_rows(AZURE).items()}

    def evidence(plan: QuotePlan, variable: bytes | None = None) -> dict[str, Any]:
        return machine.evidence(plan, 2, variable)

    def unbound() -> dict[str, Any]:
        return machine.evidence(PLAN, report_data=bound_to(b"other"))

    own = machine_rows(evidence, unbound, verify)
    return {**own, **borrowed}


def accepted() -> Iterator[tuple[str, Attempt]]:
    """What all of this starts from."""
    yield "snp", SNP.attempt()
    yield "az-snp-vtpm", AZURE.attempt()


ROWS = {"snp": snp_rows, "az-snp-vtpm": az_snp_rows}
