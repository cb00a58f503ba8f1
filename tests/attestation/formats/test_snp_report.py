"""The 1184 bytes of a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import VECTORS

from app.attestation.formats.snp_report import TCB, Generation, SNPReport, generation_of
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, make_chip
from app.trust.errors import MalformedEvidenceError

SNP = VECTORS / "snp"
REPORTS = {
    "test-report.bin": (2, None, 0, 0, TCB(3, 0, 8, 115)),
    "test-vlek-report.bin": (3, Generation.MILAN, 1, 1, TCB(4, 0, 24, 217)),
    "e2e-report-genoa-v3.bin": (3, Generation.GENOA, 0, 0, TCB(10, 0, 23, 25)),
}


@pytest.fixture(scope="module")
def genuine() -> bytes:
    """A genuine report of version 3."""
    return (SNP / "e2e-report-genoa-v3.bin").read_bytes()


def test_a_report_of_another_length_is_refused(genuine: bytes) -> None:
    """Cut at every length, or longer."""
    for data in (*(genuine[:length] for length in range(1184)), genuine + b"\0"):
        with pytest.raises(MalformedEvidenceError):
            SNPReport.parse(data)


RESERVED = [
    *range(0x4C, 0x50),
    *range(0x18B, 0x1A0),
    0x1EB,
    0x1EF,
    *range(0x1F8, 0x2A0),
    *range(0x330, 0x4A0),
    *(at + index for at in (0x38, 0x180, 0x1E0, 0x1F0) for index in range(2, 6)),
]


@pytest.mark.parametrize("offset", RESERVED)
def test_a_reserved_byte_that_is_not_zero_is_refused(genuine: bytes, offset: int) -> None:
    """What it would mean is not known here."""
    changed = bytearray(genuine)
    changed[offset] = 1
    with pytest.raises(MalformedEvidenceError):
        SNPReport.parse(bytes(changed))


@pytest.mark.parametrize("version", [0, 1, 6, 2**32 - 1])
def test_an_unknown_version_is_refused(genuine: bytes, version: int) -> None:
    """Its layout is not known here."""
    with pytest.raises(MalformedEvidenceError):
        SNPReport.parse(version.to_bytes(4, "little") + genuine[4:])


@pytest.mark.parametrize("name", REPORTS)
def test_genuine_reports_are_read(name: str) -> None:
    """Of every version there is evidence of."""
    report = SNPReport.parse((SNP / name).read_bytes())
    version, generation, vmpl, signing_key, tcb = REPORTS[name]
    assert (report.version, report.generation, report.vmpl) == (version, generation, vmpl)
    assert (report.signing_key, report.reported_tcb) == (signing_key, tcb)
    assert len(report.signed) == 0x2A0


def test_a_turin_report_has_a_tcb_of_its_own_layout() -> None:
    """Five parts, in another order."""
    chip = make_chip(SimulatedAMD("Turin"))
    for version in (2, 3, 5):
        report = SNPReport.parse(chip.report(ReportFields(version=version)))
        assert report.generation is Generation.TURIN
        assert report.reported_tcb == TCB(4, 0, 24, 219, fmc=1)
        assert report.has_short_chip_id


def test_processors_are_told_by_family_and_model() -> None:
    """Each range, at its ends."""
    named = {
        Generation.MILAN: [(0x19, 0x00), (0x19, 0x0F)],
        Generation.GENOA: [(0x19, 0x10), (0x19, 0x1F), (0x19, 0xA0), (0x19, 0xAF)],
        Generation.TURIN: [(0x1A, 0x00), (0x1A, 0x11)],
    }
    for generation, processors in named.items():
        for family, model in processors:
            assert generation_of(3, family, model, bytes(64)) is generation


@pytest.mark.parametrize(
    ("family", "model"),
    [(0x19, 0x20), (0x19, 0x9F), (0x19, 0xB0), (0x1A, 0x12), (0x17, 0x31), (0, 0)],
)
def test_an_unknown_processor_is_refused(family: int, model: int) -> None:
    """There is no root for it."""
    with pytest.raises(MalformedEvidenceError):
        generation_of(3, family, model, bytes(64))


@given(st.binary(min_size=1184, max_size=1184), st.integers(2, 5))
def test_no_bytes_do_anything_but_parse_or_be_refused(data: bytes, version: int) -> None:
    """A report comes from outside."""
    try:
        report = SNPReport.parse(version.to_bytes(4, "little") + data[4:])
    except MalformedEvidenceError:
        return
    assert report.encoded[4:] == data[4:]
