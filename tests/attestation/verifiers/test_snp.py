"""SNP evidence, genuine and simulated: what is vouched for, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from paths import VECTORS
from simulated.collateral import MemoryCollateral, genuine_amd
from simulated.snp_site import Site, verify

from app.attestation.evidence import (
    Binding,
    Claims,
    OptionedVerifier,
    RootedVerifier,
)
from app.attestation.verifiers.snp import VERIFIER, SNPVerifier
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, report_json
from app.trust.errors import (
    ChainError,
    ConfigError,
    ExpiredCertificateError,
    MalformedEvidenceError,
    PrivilegeLevelError,
    SignatureError,
)

SNP = VECTORS / "snp"
# Every generation with every kind of key.
CHIPS = [(name, kind) for name in ("Milan", "Genoa", "Turin") for kind in ("VCEK", "VLEK")]


@pytest.fixture(scope="module")
def site() -> Site:
    """A Milan chip with a VCEK."""
    return Site()


@pytest.fixture
def genoa() -> dict[str, Any]:
    """Genuine evidence of a Genoa machine."""
    return json.loads((SNP / "e2e-evidence-genoa-v3.json").read_text("utf-8"))


@pytest.fixture
def genoa_data(genoa: dict[str, Any]) -> bytes:
    """What the genuine evidence is bound to."""
    return bytes(genoa["attestation_report"]["report_data"])


def vector_evidence(name: str, generation: str, **certificates: Path) -> dict[str, Any]:
    """A genuine report as JSON, with genuine certificates."""
    return {
        "attestation_report": report_json((SNP / name).read_bytes(), generation),
        "cert_chain": [
            {"cert_type": kind, "data": [*path.read_bytes()]} for kind, path in certificates.items()
        ],
    }


# --- Genuine evidence --------------------------------------------------------------------------


def test_genuine_evidence_gives_the_published_claims(
    genoa: dict[str, Any], genoa_data: bytes
) -> None:
    """A real Genoa machine, its chain completed from collateral."""
    expected = json.loads((SNP / "e2e-evidence-genoa-v3.claims.json").read_text("utf-8"))
    claims = verify(genoa, Binding(genoa_data))
    assert claims == Claims("cpu", expected)


def test_genuine_evidence_needs_no_collateral_once_its_chain_is_known(
    genoa: dict[str, Any], genoa_data: bytes
) -> None:
    """The second visit asks for the revocation list and nothing else."""
    verifier, collateral = SNPVerifier(), MemoryCollateral(genuine_amd())
    verify(genoa, Binding(genoa_data), verifier, collateral)
    del collateral.asked[:]
    verify(genoa, Binding(genoa_data), verifier, collateral)
    assert collateral.asked == ["amd/genoa/crl"]


def test_genuine_evidence_without_certificates_is_completed_from_collateral(
    genoa: dict[str, Any], genoa_data: bytes
) -> None:
    """The VCEK is looked up by chip and TCB, and kept once it verified the report."""
    report = genoa["attestation_report"]
    name = f"amd/genoa/vcek/{bytes(report['chip_id']).hex()}/bl10_tee00_snp23_ucode25"
    vcek = (SNP / "e2e-vcek-genoa.der").read_bytes()
    collateral = MemoryCollateral({name: vcek, **genuine_amd()})
    for chain in (None, []):
        evidence = {"attestation_report": report, "cert_chain": chain}
        assert verify(evidence, Binding(genoa_data), collateral=collateral).values
    assert [document.name for document in collateral.kept] == [name, name]


def test_a_looked_up_certificate_is_kept_once_a_process(genoa: dict[str, Any]) -> None:
    """Guests that come again cost no write."""
    verifier = SNPVerifier()
    report = genoa["attestation_report"]
    name = f"amd/genoa/vcek/{bytes(report['chip_id']).hex()}/bl10_tee00_snp23_ucode25"
    vcek = (SNP / "e2e-vcek-genoa.der").read_bytes()
    collateral = MemoryCollateral({name: vcek, **genuine_amd()})
    for _ in range(3):
        verify({"attestation_report": report}, verifier=verifier, collateral=collateral)
    assert len(collateral.kept) == 1


def test_a_looked_up_certificate_that_verified_nothing_is_not_kept(genoa: dict[str, Any]) -> None:
    """Anyone can name a chip; only its signature makes its certificate worth keeping."""
    report = genoa["attestation_report"]
    report["measurement"][0] ^= 1
    name = f"amd/genoa/vcek/{bytes(report['chip_id']).hex()}/bl10_tee00_snp23_ucode25"
    vcek = (SNP / "e2e-vcek-genoa.der").read_bytes()
    collateral = MemoryCollateral({name: vcek, **genuine_amd()})
    with pytest.raises(SignatureError):
        verify({"attestation_report": report}, collateral=collateral)
    assert not collateral.kept


def test_a_genuine_report_of_version_2_is_refused() -> None:
    """It does not say which processor made it."""
    evidence = vector_evidence("test-report.bin", "Milan", VCEK=SNP / "test-vcek.der")
    with pytest.raises(MalformedEvidenceError, match="version 2"):
        verify(evidence)


def test_a_genuine_report_of_vmpl_1_is_refused() -> None:
    """A less privileged level of the guest may be another party."""
    evidence = vector_evidence("test-vlek-report.bin", "Milan", VLEK=SNP / "test-vlek.der")
    with pytest.raises(PrivilegeLevelError):
        verify(evidence, check_validity="insecure_ignore")


def test_a_genuine_expired_vlek_is_refused() -> None:
    """Clouds renew them every year; this one ended in 2025."""
    evidence = vector_evidence("test-vlek-report.bin", "Milan", VLEK=SNP / "test-vlek.der")
    with pytest.raises(ExpiredCertificateError, match="SEV-VLEK"):
        verify(evidence)


@pytest.mark.parametrize("name", ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"])
def test_a_vcek_with_a_forged_signature_is_refused(site: Site, name: str) -> None:
    """AMD's name in a certificate is not AMD's signature on it."""
    report = site.chip.report(ReportFields())
    evidence = site.chip.evidence(report, VCEK=(SNP / name).read_bytes())
    with pytest.raises(ChainError):
        verify(evidence)


# --- Simulated evidence ------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize(("generation", "kind"), CHIPS)
def test_every_generation_key_and_version_is_accepted(
    generation: str, kind: str, version: int
) -> None:
    """Layouts of the TCB and of the chip id differ; the claims do not."""
    site = Site(generation, kind)
    digest = bytes(range(32))
    evidence = site.evidence(report_data=b"bound", host_data=digest, version=version)
    claims = site.verify(evidence, Binding(b"bound", digest)).values
    assert claims["report_data"] == b"bound".ljust(64, b"\0").hex()
    assert claims["init_data"] == digest.hex()
    assert (claims["reported_tcb_snp"], claims["reported_tcb_microcode"]) == (24, 219)
    assert claims["policy_smt_allowed"] is True
    assert claims["policy_debug_allowed"] is False


def test_a_turin_without_certificates_is_looked_up_by_eight_bytes() -> None:
    """Its chip id is short, and its TCB has one more part."""
    site = Site("Turin")
    name = "amd/turin/vcek/0102030405060708/bl04_tee00_snp24_ucode219_fmc01"
    site.collateral.documents[name] = site.chip.certificate
    evidence = {**site.evidence(), "cert_chain": None}
    assert site.verify(evidence).values["chip_id"].startswith("0102030405060708000000")


def test_a_masked_chip_id_is_accepted_with_its_certificate(site: Site) -> None:
    """Hosts may withhold it; the signature still ties the report to the certificate."""
    assert site.verify(site.evidence(chip_id=bytes(64))).values["chip_id"] == "00" * 64


def test_other_entries_of_the_certificate_table_are_left_alone(site: Site) -> None:
    """Hosts put in what they like; the first of each kind counts."""
    evidence = site.evidence()
    others = [{"cert_type": {"OTHER": "uuid"}, "data": "?"}, {"cert_type": "CRL"}]
    again = {"cert_type": "VLEK", "data": []}
    evidence["cert_chain"] = [*others, *evidence["cert_chain"], again]
    assert site.verify(evidence).tee_class == "cpu"


@pytest.mark.parametrize("kind", ["ASK", "ARK"])
def test_an_empty_certificate_is_not_a_missing_one(site: Site, kind: str) -> None:
    """Even where the certificates behind it are known already."""
    evidence = site.evidence()
    assert site.verify(evidence)
    evidence["cert_chain"].append({"cert_type": kind, "data": []})
    with pytest.raises(MalformedEvidenceError):
        site.verify(evidence)


def test_a_whole_chain_in_the_evidence_needs_no_collateral(site: Site) -> None:
    """DER or PEM, the pinned root is the same key."""
    report = site.chip.report(ReportFields())
    for ask, ark in ((site.amd.ask.der, site.amd.ark.der), (site.amd.ask.pem, site.amd.ark.pem)):
        evidence = site.chip.evidence(report, VCEK=site.chip.certificate, ASK=ask, ARK=ark)
        collateral = MemoryCollateral({})
        assert verify(evidence, Binding(None), site.verifier, collateral)
        assert set(collateral.asked) == {"amd/milan/crl"}


@pytest.mark.parametrize("length", [1, 20, 32, 48, 63, 64])
def test_shorter_report_data_is_followed_by_zeros(site: Site, length: int) -> None:
    """Digests of 48 bytes are what guests bind."""
    data = b"\x01" * length
    assert site.verify(site.evidence(report_data=data), Binding(data))


@pytest.mark.parametrize("length", [1, 32, 48, 64])
def test_init_data_is_compared_as_hosts_are_told_to_set_it(site: Site, length: int) -> None:
    """Padded with zeros to 32 bytes, or cut to them."""
    digest = bytes(range(1, length + 1))
    assert site.verify(site.evidence(host_data=digest[:32]), Binding(None, digest))


# --- Settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"check_validity": "ignore"}, {"revocation": "off"}, {"revocations": "require"}, {"?": 1}],
)
def test_unknown_options_are_refused_before_serving(options: dict[str, Any]) -> None:
    """A typing error must not weaken anything silently."""
    assert isinstance(VERIFIER, OptionedVerifier)
    with pytest.raises(ConfigError, match=r"attestation\.verifier_options\.snp\."):
        VERIFIER.check_options(options)


def test_all_faults_of_the_options_are_listed() -> None:
    """The operator repairs once."""
    with pytest.raises(ConfigError) as refusal:
        SNPVerifier().check_options({"check_validity": [], "revocation": None, "x": 1})
    assert len(refusal.value.faults) == 3


def test_known_options_are_taken() -> None:
    """Both values of both, and none."""
    SNPVerifier().check_options({})
    SNPVerifier().check_options({"check_validity": "enforce", "revocation": "require"})


@pytest.mark.parametrize("pem", [b"", b"?", SimulatedAMD("Milan").ask.pem])
def test_extra_roots_must_be_roots(pem: bytes) -> None:
    """An intermediate would be no root for anyone."""
    assert isinstance(VERIFIER, RootedVerifier)
    with pytest.raises(ConfigError):
        VERIFIER.with_extra_roots(pem)
