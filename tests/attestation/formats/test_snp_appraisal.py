"""What every TEE under an SNP report shares: options, and checks of a report."""

from __future__ import annotations

import pytest
from fakes import NOON
from simulated.collateral import MemoryCollateral

from app.attestation.collateral.amd_chains import UnverifiedCertificates
from app.attestation.evidence import Context
from app.attestation.formats.snp_appraisal import Revocation, SNPAppraiser, SNPOptions, Validity
from app.attestation.formats.snp_report import SNPReport
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, make_chip
from app.trust.errors import ConfigError, PrivilegeLevelError, UntrustedRootError

AMD = SimulatedAMD("Milan")
CHIP = make_chip(AMD)
CONTEXT = Context(NOON, MemoryCollateral(AMD.documents()))
GIVEN = UnverifiedCertificates(leaf=CHIP.certificate)


def report(vmpl: int = 0) -> SNPReport:
    """A report of the simulated chip."""
    return SNPReport.parse(CHIP.report(ReportFields(vmpl=vmpl)))


def test_a_report_needs_a_pinned_root() -> None:
    """Without the simulated root the same report is a stranger's."""
    with pytest.raises(UntrustedRootError):
        SNPAppraiser().appraise(report(), GIVEN, SNPOptions(), CONTEXT)


def test_the_last_check_is_the_privilege_level() -> None:
    """Everything else holds, and still VMPL 1 is refused."""
    appraiser = SNPAppraiser().with_extra_roots(AMD.root_pem, "snp")
    appraiser.appraise(report(), GIVEN, SNPOptions(), CONTEXT)
    with pytest.raises(PrivilegeLevelError):
        appraiser.appraise(report(vmpl=1), GIVEN, SNPOptions(), CONTEXT)


def test_options_are_named_after_the_tee_that_has_them() -> None:
    """The operator finds the line in the settings."""
    with pytest.raises(ConfigError) as refusal:
        SNPOptions.parse("az-snp-vtpm", {"revocation": "off", "x": 1})
    assert all("verifier_options.az-snp-vtpm." in fault for fault in refusal.value.faults)
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.az-snp-vtpm"):
        SNPAppraiser().with_extra_roots(b"?", "az-snp-vtpm")


def test_defaults_are_strict_about_dates() -> None:
    """What is not said does not weaken."""
    assert SNPOptions.parse("snp", {}) == SNPOptions(Validity.ENFORCE, Revocation.IF_AVAILABLE)
