"""Collateral is verified once for each content, and every document up to the platform's root."""

from __future__ import annotations

import pytest
from simulated.dcap_site import flipped, machine, published, refusal

from app.attestation.formats.dcap_collateral import CollateralVerifier
from app.attestation.formats.dcap_pck import PCKPlatform
from app.lab.intel import Publication
from app.lab.tdx import SimulatedTDX

INTEL = machine().intel
CHAIN = INTEL.pck_chain(machine().pck)
NAMES = [
    "intel/rootcacrl",
    "intel/pckcrl/platform",
    "intel/tdx/tcb/50806f000000",
    "intel/tdx/qe-identity",
]


def platform(verifier: CollateralVerifier) -> PCKPlatform:
    """The simulated platform, verified."""
    return verifier.verify_platform(CHAIN)


@pytest.mark.parametrize("pem", [b"", CHAIN[:-30], CHAIN + INTEL.root.pem])
def test_a_chain_that_does_not_parse_is_malformed_evidence(pem: bytes) -> None:
    """The guest sent it."""
    verifier = CollateralVerifier(INTEL.roots)
    assert refusal(lambda: verifier.verify_platform(pem)) == "malformed-evidence"


def test_a_chain_of_other_certificates_is_no_pck_chain() -> None:
    """Three certificates under the right root that certify no platform."""
    verifier = CollateralVerifier(INTEL.roots)
    leaf = INTEL.issue("Intel SGX PCK Certificate", INTEL.authorities["platform"])
    code = refusal(lambda: verifier.verify_platform(INTEL.pck_chain(leaf)))
    assert code == "malformed-evidence"


def test_asks_for_four_documents_of_the_platform() -> None:
    """Those of its own authority, family and TEE, and nothing else."""
    source = published()
    verifier = CollateralVerifier(INTEL.roots)
    collateral = verifier.collect("tdx", platform(verifier), source)
    assert sorted(source.asked) == sorted(NAMES)
    assert len(collateral.chains) == 3
    assert collateral.tcb_info.fmspc == machine().platform.fmspc


def test_what_was_verified_is_not_verified_again() -> None:
    """The same content gives the very same values, from whatever source it comes."""
    verifier = CollateralVerifier(INTEL.roots)
    first = verifier.collect("tdx", platform(verifier), machine().publication)
    copy = Publication(dict(machine().publication.documents))
    second = verifier.collect("tdx", platform(verifier), copy)
    assert platform(verifier) is platform(verifier)
    assert second.tcb_info is first.tcb_info
    assert second.identity is first.identity
    assert second.pck_crl is first.pck_crl
    assert second.chains[0] is first.chains[0]


def test_a_newer_document_takes_effect_at_once() -> None:
    """What is remembered is content, not names: a revocation is seen on the next use."""
    verifier = CollateralVerifier(INTEL.roots)
    verifier.collect("tdx", platform(verifier), machine().publication)
    revoked = published(revoked=[machine().pck.certificate.serial_number])
    code = refusal(lambda: verifier.collect("tdx", platform(verifier), revoked))
    assert code == "certificate-revoked"


def test_a_remembered_list_is_not_taken_for_another_authoritys() -> None:
    """The issuer is part of what was verified."""
    verifier = CollateralVerifier(INTEL.roots | SimulatedTDX().intel.roots)
    verifier.collect("tdx", platform(verifier), machine().publication)
    listed = machine().publication.documents["intel/pckcrl/platform"][0]
    source = machine().publication.replaced("intel/rootcacrl", listed)
    code = refusal(lambda: verifier.collect("tdx", platform(verifier), source))
    assert code == "collateral-mismatch"


@pytest.mark.filterwarnings("ignore:Attribute.s length must be:UserWarning")
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_changed_document_never_escapes(name: str) -> None:
    """Bits of bodies and of issuer chains: refused for a reason, or the same document."""
    verifier = CollateralVerifier(INTEL.roots)
    body, headers = machine().publication.documents[name]
    expected = {
        "accepted",
        "chain-invalid",
        "collateral-mismatch",
        "collateral-unavailable",
        "root-untrusted",
        "signature-invalid",
    }
    codes = set()
    for at in range(0, len(body), 3):
        source = machine().publication.replaced(name, flipped(body, at, at % 8))
        codes.add(refusal(lambda s=source: verifier.collect("tdx", platform(verifier), s)))
    for header, text in headers.items():
        for at in range(0, len(text), 7):
            changed = flipped(text.encode(), at, at % 7).decode("utf-8", "replace")
            source = machine().publication.replaced(name, **{header.replace("-", "_"): changed})
            codes.add(refusal(lambda s=source: verifier.collect("tdx", platform(verifier), s)))
    assert codes <= expected
    assert "signature-invalid" in codes
