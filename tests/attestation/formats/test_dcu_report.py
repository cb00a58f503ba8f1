"""Reports of DCUs: 252 signed bytes, read from JSON."""

from __future__ import annotations

import copy

import pytest
from simulated.hygon import CEK, Key, Site, dcu_report

from app.attestation.formats.dcu_report import DCUReport
from app.attestation.formats.hygon_certificates import ChipCertificate
from app.trust.errors import MalformedEvidenceError, SignatureError

SITE = Site()
PLAIN = dcu_report(SITE.cek, b"bound", measure=b"\x07" * 32)
CERTIFICATE = ChipCertificate.parse(SITE.pair()[832:])


@pytest.mark.parametrize("name", PLAIN["body"])
def test_every_field_must_be_there(name: str) -> None:
    """A missing one has no default."""
    report = copy.deepcopy(PLAIN)
    del report["body"][name]
    with pytest.raises(MalformedEvidenceError, match=name):
        DCUReport.parse(report)


def test_another_key_is_refused() -> None:
    """Though it has the same name."""
    report = DCUReport.parse(dcu_report(Key("SIM-CEK", CEK, 1)))
    with pytest.raises(SignatureError):
        report.check_signed_by(CERTIFICATE)


def test_a_report_is_read_field_by_field() -> None:
    """And its numbers become hex without leading zeros."""
    report = DCUReport.parse(PLAIN)
    report.check_signed_by(CERTIFICATE)
    assert len(report.signed) == 252
    claims = report.claims()
    assert claims["report_data"] == b"bound".ljust(64, b"\0").hex()
    assert claims["body"] == {
        "version": 1,
        "chip_id": b"SIM0001".ljust(16, b"\0").hex(),
        "user_data": claims["report_data"],
        "measure": "07" * 32,
        "reserved": "00" * 128,
        "sig_usage": "1004",
        "sig_algo": "4",
    }
