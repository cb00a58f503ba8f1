"""Hygon's certificates: genuine and simulated, as bytes and as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.hygon import CEK, HSK, Site, authority_json, chip_json

from app.attestation.formats.hygon_certificates import (
    AUTHORITY_BYTES,
    CHIP_BYTES,
    AuthorityCertificate,
    ChipCertificate,
    encode_authority,
    encode_chip,
)
from app.trust.errors import ChainError, MalformedEvidenceError

HRK = (VECTORS / "roots" / "hrk.cert").read_bytes()
SITE = Site()
HSK_BYTES, CEK_BYTES = SITE.pair()[:AUTHORITY_BYTES], SITE.pair()[AUTHORITY_BYTES:]


def check_root(data: bytes) -> AuthorityCertificate:
    """The root's certificate, which signs itself."""
    root = AuthorityCertificate.parse(data)
    root.check_signed_by(root)
    return root


@pytest.mark.parametrize("length", [0, 1, 63, 831, 833])
def test_an_authority_has_its_size(length: int) -> None:
    """Nothing is cut and nothing is padded."""
    with pytest.raises(MalformedEvidenceError):
        AuthorityCertificate.parse(HRK.ljust(1000, b"\0")[:length])


@pytest.mark.parametrize("length", [0, 1, 832, 2083, 2085])
def test_a_chip_has_its_size(length: int) -> None:
    """Nothing is cut and nothing is padded."""
    with pytest.raises(MalformedEvidenceError):
        ChipCertificate.parse(CEK_BYTES.ljust(3000, b"\0")[:length])


@pytest.mark.parametrize("offset", range(0, 0x240 + 144, 7))
def test_one_flipped_bit_of_the_genuine_root_is_refused(offset: int) -> None:
    """In what it signs of itself, and in its signature, unused bytes included."""
    changed = bytearray(HRK)
    changed[offset] ^= 1 << offset % 8
    with pytest.raises((ChainError, MalformedEvidenceError)):
        check_root(bytes(changed))


def test_the_issuer_is_the_one_that_is_named() -> None:
    """By its id, not only by its signature."""
    hsk, root = AuthorityCertificate.parse(HSK_BYTES), AuthorityCertificate.parse(HRK)
    with pytest.raises(ChainError):
        hsk.check_signed_by(root)
    with pytest.raises(ChainError):
        ChipCertificate.parse(CEK_BYTES).check_signed_by(root)


@settings(max_examples=100)
@given(st.binary(min_size=AUTHORITY_BYTES, max_size=AUTHORITY_BYTES))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    """Nothing else comes out."""
    for junk in (data, b"\x01\x00\x00\x00" + data[4:]):
        with pytest.raises(MalformedEvidenceError):
            AuthorityCertificate.parse(junk)
        with pytest.raises(MalformedEvidenceError):
            ChipCertificate.parse(junk.ljust(CHIP_BYTES, b"\1"))


def test_the_genuine_root_verifies_itself() -> None:
    """Its key and signing ids are the same."""
    root = check_root(HRK)
    assert root.key_id == root.signing_id
    assert (root.usage, root.key.user_id) == (0, b"HYGON-SSD-HRK")


def test_a_chain_verifies_from_end_to_end() -> None:
    """HRK, HSK, CEK, PEK."""
    root, hsk = (AuthorityCertificate.parse(each) for each in (SITE.root(), HSK_BYTES))
    cek, pek = (ChipCertificate.parse(each) for each in (CEK_BYTES, SITE.platform()))
    hsk.check_signed_by(root)
    cek.check_signed_by(hsk)
    pek.check_signed_by(cek)
    assert (hsk.usage, cek.usage, pek.slots[0].usage) == (HSK, CEK, CEK)


def test_json_stands_for_the_bytes() -> None:
    """The synthetic pair's and the simulated one's; a genuine PEK keeps its key."""
    vendor = (VECTORS / "synthetic" / "csv" / "hsk_cek.cert").read_bytes()
    for pair in (vendor, SITE.pair()):
        hsk, cek = pair[:AUTHORITY_BYTES], pair[AUTHORITY_BYTES:]
        assert encode_authority(authority_json(hsk), "hsk") == hsk
        assert encode_chip(chip_json(cek), "cek") == cek
    evidence = json.loads((VECTORS / "csv" / "csv_evidence.json").read_text("utf-8"))
    pek = ChipCertificate.parse(encode_chip(evidence["cert_chain"]["pek"], "pek"))
    assert pek.key.user_id == b"HYGON-SSD-PEK"
    assert [slot.usage for slot in pek.slots] == [CEK, 0x1001]


def test_the_synthetic_pek_is_the_bytes_beside_it() -> None:
    """Written by another implementation in both forms."""
    folder = VECTORS / "synthetic" / "csv"
    evidence = json.loads((folder / "evidence-v1.json").read_text("utf-8"))
    pek = encode_chip(evidence["cert_chain"]["pek"], "pek")
    assert pek == (folder / "pek.cert").read_bytes()
