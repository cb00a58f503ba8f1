"""SPDM reports: one request, one response, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.nvidia import NONCE, Report, SimulatedNVIDIA, block

from app.attestation.formats.spdm import parse_report
from app.trust.errors import MalformedEvidenceError

DEVICE = SimulatedNVIDIA().device


def test_a_report_gives_its_parts() -> None:
    """What is signed ends where the signature begins."""
    data = Report(blocks=[block(1, b"a"), block(7, b"")]).signed_by(DEVICE)
    report = parse_report(data)
    assert report.nonce == NONCE
    assert dict(report.measurements) == {1: b"a", 7: b""}
    assert report.signed + report.signature == data


@pytest.mark.parametrize("rest", [b"\1", b"\0\0", b"\0\1", bytes(96)])
def test_nothing_follows_but_one_nul(rest: bytes) -> None:
    """A genuine report is known that has one."""
    data = Report().signed_by(DEVICE)
    assert parse_report(data + b"\0") == parse_report(data)
    with pytest.raises(MalformedEvidenceError):
        parse_report(data + rest)
    genuine = (VECTORS / "nvidia" / "hopper_coco_report1.txt").read_text("ascii")
    assert len(parse_report(bytes.fromhex(genuine)).measurements) == 64


@settings(max_examples=200)
@given(st.binary(max_size=64), st.integers(0, 255))
def test_no_record_breaks_the_reader(record: bytes, count: int) -> None:
    """Blocks of any form."""
    data = Report(blocks=[record], count=count).signed_by(DEVICE)
    try:
        assert len(parse_report(data).measurements) == count
    except MalformedEvidenceError as refusal:
        assert refusal.code == "malformed-evidence"  # noqa: PT017 - both outcomes are right
