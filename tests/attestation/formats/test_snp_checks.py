"""The checks between a report and its certificate, on genuine evidence that no guest may use."""

from __future__ import annotations

import json

import pytest
from paths import VECTORS

from app.attestation.formats.amd_certificates import AMDCertificate
from app.attestation.formats.amd_chain import KeyKind
from app.attestation.formats.snp_checks import (
    check_chip,
    check_report_signature,
    check_signature_algorithm,
    check_signing_key,
    check_tcb,
    report_claims,
)
from app.attestation.formats.snp_report import SNPReport
from app.trust.errors import CollateralMismatchError, SignatureError, TCBMismatchError

SNP = VECTORS / "snp"
PAIRS = {
    "test-report.bin": "test-vcek.der",
    "test-vlek-report.bin": "test-vlek.der",
    "e2e-report-genoa-v3.bin": "e2e-vcek-genoa.der",
}


def pair(name: str) -> tuple[bytes, AMDCertificate]:
    """A genuine report and the certificate of its key."""
    return (SNP / name).read_bytes(), AMDCertificate.parse((SNP / PAIRS[name]).read_bytes())


@pytest.mark.parametrize("name", PAIRS)
def test_a_genuine_report_agrees_with_its_certificate(name: str) -> None:
    """Version 2 and VLEKs too, on this level."""
    data, leaf = pair(name)
    report = SNPReport.parse(data)
    kind = KeyKind.VLEK if "vlek" in name else KeyKind.VCEK
    check_signature_algorithm(report)
    check_signing_key(report, kind)
    check_report_signature(report, leaf.report_key())
    check_tcb(report, leaf)
    if kind is KeyKind.VCEK:
        check_chip(report, leaf)


@pytest.mark.parametrize("name", ["test-report", "test-vlek-report"])
def test_the_claims_are_the_published_ones(name: str) -> None:
    """As an independent implementation computed them."""
    report = SNPReport.parse((SNP / f"{name}.bin").read_bytes())
    expected = json.loads((SNP / f"{name}.claims.json").read_text("utf-8"))
    assert report_claims(report) == expected


@pytest.mark.parametrize("name", PAIRS)
def test_one_flipped_bit_anywhere_breaks_the_signature(name: str) -> None:
    """All of the signed bytes, reserved ones too, and all of r and s."""
    data, leaf = pair(name)
    key = leaf.report_key()
    genuine = SNPReport.parse(data)
    for offset in range(0x330):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << offset % 8
        with pytest.raises(SignatureError):
            check_report_signature(with_bytes(genuine, bytes(flipped)), key)


def with_bytes(report: SNPReport, data: bytes) -> SNPReport:
    """The report with other bytes, whether they would parse or not."""
    part = slice(0x2A0, 0x2E8), slice(0x2E8, 0x330)
    r, s = (int.from_bytes(data[bounds], "little") for bounds in part)
    fields = {name: getattr(report, name) for name in SNPReport.__slots__}
    return SNPReport(**{**fields, "encoded": data, "r": r, "s": s})


def test_another_chips_certificate_is_refused() -> None:
    """Genuine both, and not of one machine."""
    data, _ = pair("test-report.bin")
    _, other = pair("e2e-report-genoa-v3.bin")
    report = SNPReport.parse(data)
    with pytest.raises(SignatureError):
        check_report_signature(report, other.report_key())
    with pytest.raises(TCBMismatchError):
        check_tcb(report, other)
    with pytest.raises(CollateralMismatchError):
        check_chip(report, other)


def test_a_certificate_without_a_chip_is_refused() -> None:
    """A VLEK in the place of a VCEK."""
    data, _ = pair("test-report.bin")
    _, vlek = pair("test-vlek-report.bin")
    with pytest.raises(CollateralMismatchError):
        check_chip(SNPReport.parse(data), vlek)
