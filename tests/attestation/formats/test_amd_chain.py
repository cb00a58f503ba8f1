"""Chains up to pinned roots, and what is remembered of them."""

from __future__ import annotations

import pytest
from paths import VECTORS

from app.attestation.formats.amd_certificates import (
    AMDCertificate,
    CertificateFormatError,
    parse_pem_certificates,
)
from app.attestation.formats.amd_chain import (
    AMD_ROOTS,
    DigestCache,
    KeyKind,
    UnverifiedChain,
    digest_of,
    pins_with,
    verify_chain,
)
from app.attestation.formats.snp_report import Generation
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import make_chip
from app.trust.errors import ChainError, UntrustedRootError

SNP = VECTORS / "snp"
LEAVES = {
    "test-vcek.der": (Generation.MILAN, KeyKind.VCEK),
    "test-vlek.der": (Generation.MILAN, KeyKind.VLEK),
    "e2e-vcek-genoa.der": (Generation.GENOA, KeyKind.VCEK),
}


def genuine_chain(leaf: str) -> UnverifiedChain:
    """A genuine leaf under AMD's certificates."""
    generation, kind = LEAVES[leaf]
    pem = (VECTORS / "roots" / f"{generation.value.lower()}_ask_ark_asvk.pem").read_bytes()
    ask, ark, asvk = parse_pem_certificates(pem)
    certificate = AMDCertificate.parse((SNP / leaf).read_bytes())
    return UnverifiedChain(certificate, asvk if kind is KeyKind.VLEK else ask, ark)


@pytest.mark.parametrize("leaf", LEAVES)
def test_genuine_chains_lead_to_the_pinned_roots(leaf: str) -> None:
    """VCEK by ASK, VLEK by ASVK, both by the ARK of their generation."""
    generation, kind = LEAVES[leaf]
    assert verify_chain(genuine_chain(leaf), kind, generation, AMD_ROOTS).report_key


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_chain_of_another_kind_or_generation_is_refused(leaf: str) -> None:
    """A loaded key is no chip's key, and a Milan is no Genoa."""
    generation, kind = LEAVES[leaf]
    other = KeyKind.VCEK if kind is KeyKind.VLEK else KeyKind.VLEK
    with pytest.raises(ChainError):
        verify_chain(genuine_chain(leaf), other, generation, AMD_ROOTS)
    with pytest.raises(UntrustedRootError):
        verify_chain(genuine_chain(leaf), kind, Generation.TURIN, AMD_ROOTS)


def test_every_root_of_amd_is_pinned() -> None:
    """One of each generation, computed from the certificates."""
    for generation in Generation:
        pem = (VECTORS / "roots" / f"{generation.value.lower()}_ask_ark_asvk.pem").read_bytes()
        assert AMD_ROOTS[generation] == {parse_pem_certificates(pem)[1].spki_sha256}


def test_without_pins_nothing_is_trusted() -> None:
    """An empty table is not an open door."""
    generation, kind = LEAVES["test-vcek.der"]
    for pins in ({}, {generation: frozenset[bytes]()}):
        with pytest.raises(UntrustedRootError):
            verify_chain(genuine_chain("test-vcek.der"), kind, generation, pins)


def test_a_leaf_cannot_stand_in_for_an_authority() -> None:
    """A chip's key signs reports; a certificate it signed is nothing."""
    amd = SimulatedAMD("Milan")
    leaf = AMDCertificate.parse(make_chip(amd).certificate)
    pins = pins_with(AMD_ROOTS, parse_pem_certificates(amd.root_pem))
    chain = UnverifiedChain(leaf, leaf, AMDCertificate.parse(amd.ark.der))
    with pytest.raises(ChainError):
        verify_chain(chain, KeyKind.VCEK, Generation.MILAN, pins)


def test_further_roots_join_the_pinned_ones() -> None:
    """For their own generation only."""
    amd = SimulatedAMD("Milan")
    pins = pins_with(AMD_ROOTS, parse_pem_certificates(amd.root_pem))
    assert len(pins[Generation.MILAN]) == 2
    assert pins[Generation.GENOA] == AMD_ROOTS[Generation.GENOA]
    with pytest.raises(CertificateFormatError):
        pins_with(AMD_ROOTS, [AMDCertificate.parse(amd.ask.der)])


def test_the_oldest_of_too_many_is_forgotten() -> None:
    """What was asked for lately stays."""
    cache: DigestCache[int] = DigestCache(2)
    for number in (1, 2):
        cache.put(bytes([number]), number)
    assert cache.find(b"\x01") == 1
    cache.put(b"\x03", 3)
    assert [cache.find(bytes([number])) for number in (1, 2, 3)] == [1, None, 3]


def test_digests_of_different_rows_differ() -> None:
    """Where one part ends is part of what is digested."""
    rows = [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), (b"", b"abc"), ()]
    assert len({digest_of(*row) for row in rows}) == len(rows)
