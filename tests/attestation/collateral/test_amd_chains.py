"""Certificates come from the evidence first, then from the sources, and are verified once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated.collateral import MemoryCollateral

from app.attestation.collateral.amd_chains import AMDChains, UnverifiedCertificates, vcek_name
from app.attestation.formats.amd_certificates import parse_pem_certificates
from app.attestation.formats.amd_chain import AMD_ROOTS, KeyKind, pins_with
from app.attestation.formats.snp_report import Generation, SNPReport
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, make_chip
from app.trust.errors import ChainError, CollateralUnavailableError, MalformedEvidenceError

MILAN = SimulatedAMD("Milan")
CHIP = make_chip(MILAN)
REPORT = SNPReport.parse(CHIP.report(ReportFields()))
NAME = f"amd/milan/vcek/{CHIP.hwid.hex()}/bl04_tee00_snp24_ucode219"


@pytest.fixture
def chains() -> AMDChains:
    """Chains up to the simulated root."""
    return AMDChains(pins_with(AMD_ROOTS, parse_pem_certificates(MILAN.root_pem)))


@pytest.fixture
def source() -> MemoryCollateral:
    """A KDS that has the chip."""
    return MemoryCollateral({NAME: CHIP.certificate, **MILAN.documents()})


def given(**parts: bytes) -> UnverifiedCertificates:
    """What came with the evidence."""
    return UnverifiedCertificates(KeyKind.VCEK, **parts)


def test_only_what_is_missing_is_asked_for(chains: AMDChains, source: MemoryCollateral) -> None:
    """From nothing to everything in the evidence."""
    leaf, ask, ark = CHIP.certificate, MILAN.ask.der, MILAN.ark.der
    chain = "amd/milan/cert_chain"
    for certificates, asked in (
        (given(), [NAME, chain]),
        (given(leaf=leaf), [chain]),
        (given(leaf=leaf, root=ark), [chain]),
        (given(leaf=leaf, intermediate=ask), [chain]),
        (given(leaf=leaf, intermediate=ask, root=ark), []),
    ):
        del source.asked[:]
        AMDChains(chains.pins).find(REPORT, Generation.MILAN, certificates, source)
        assert source.asked == asked


def test_a_chain_is_verified_once(chains: AMDChains, source: MemoryCollateral) -> None:
    """The same object comes back, from the evidence and from the sources."""
    first = chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), source)
    again = chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), source)
    assert first is again
    assert chains.find(REPORT, Generation.MILAN, given(), source) is first


def test_a_remembered_leaf_does_not_vouch_for_another_kind(
    chains: AMDChains, source: MemoryCollateral
) -> None:
    """What is remembered is remembered as what it was verified as."""
    chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), source)
    vlek = UnverifiedCertificates(KeyKind.VLEK, leaf=CHIP.certificate)
    with pytest.raises(ChainError):
        chains.find(REPORT, Generation.MILAN, vlek, source)


def test_a_remembered_leaf_does_not_vouch_for_strange_authorities(
    chains: AMDChains, source: MemoryCollateral
) -> None:
    """Everything that the evidence brought is part of what is remembered."""
    chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), source)
    stranger = SimulatedAMD("Milan", number=1)
    strange = given(leaf=CHIP.certificate, intermediate=stranger.ask.der)
    with pytest.raises(ChainError):
        chains.find(REPORT, Generation.MILAN, strange, source)


def test_a_failure_is_not_remembered(chains: AMDChains) -> None:
    """Collateral that comes later helps."""
    empty = MemoryCollateral({})
    with pytest.raises(CollateralUnavailableError):
        chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), empty)
    empty.documents.update(MILAN.documents())
    assert chains.find(REPORT, Generation.MILAN, given(leaf=CHIP.certificate), empty)


def test_a_chip_is_named_by_its_id_and_the_reported_tcb() -> None:
    """As AMD's service wants them."""
    assert vcek_name(REPORT, Generation.MILAN) == NAME


def test_a_chip_that_is_not_named_has_no_certificate_to_look_up() -> None:
    """The evidence has to bring it."""
    masked = replace(REPORT, chip_id=bytes(64))
    with pytest.raises(MalformedEvidenceError):
        vcek_name(masked, Generation.MILAN)
