"""Reports of CSV guests, version by version."""

from __future__ import annotations

from typing import Any

import pytest
from simulated.hygon import MAGIC, PEK, Key, v1_report, v2_report

from app.attestation.formats.csv_report import DATA_BYTES, CSVReport
from app.trust.errors import MalformedEvidenceError

SIGNER = Key("SIM-PEK", PEK)
NO_MAGIC = bytes(16)


def parse(report: dict[str, Any]) -> CSVReport:
    """The report that a simulated platform made."""
    return CSVReport.parse(bytes(report["magic"]), report["flags"], bytes(report["data"]))


@pytest.mark.parametrize("length", [0, 336, DATA_BYTES - 1, DATA_BYTES + 1])
def test_a_report_has_its_size(length: int) -> None:
    """Nothing is cut and nothing is padded."""
    with pytest.raises(MalformedEvidenceError):
        CSVReport.parse(NO_MAGIC, 0, bytes(length))


@pytest.mark.parametrize(
    ("magic", "flags"), [(MAGIC, 2), (MAGIC[:-1] + b"1", 1), (b"", 0), (b"\1" * 16, 0)]
)
def test_an_unknown_version_is_malformed(magic: bytes, flags: int) -> None:
    """No version is guessed."""
    with pytest.raises(MalformedEvidenceError):
        CSVReport.parse(magic, flags, bytes(DATA_BYTES))


@pytest.mark.parametrize("anonce", [bytes(4), b"\x11\x22\x33\x44", b"\xff" * 4])
def test_version_1_is_unmasked(anonce: bytes) -> None:
    """Fields are the same under every mask; what is signed is masked."""
    report = parse(v1_report(SIGNER, b"bound", anonce=anonce))
    assert report.report_data == b"bound".ljust(64, b"\0")
    assert report.measure == bytes(range(16, 48))
    assert (report.policy, report.sig_usage, report.sig_algo) == (5, PEK, 4)
    assert report.anonce == anonce
    assert report.extension is None
    assert len(report.signed) == 180


def test_version_1_may_have_the_magic_of_version_2() -> None:
    """Then its flags say that it is none."""
    report = {**v1_report(SIGNER), "magic": [*MAGIC]}
    assert parse(report) == parse(v1_report(SIGNER))


def test_version_2_is_read_plainly() -> None:
    """With its registers, and 1024 bytes that are signed."""
    rtmrs = [bytes([each]) * 32 for each in range(5)]
    report = parse(v2_report(SIGNER, b"bound", rtmrs))
    assert report.extension is not None
    assert report.extension.rtmrs == tuple(rtmrs)
    assert (report.extension.build, report.extension.rtmr_version) == (7, 1)
    assert [len(each) for each in report.extension.reserved] == [14, 656]
    assert report.report_data == b"bound".ljust(64, b"\0")
    assert (report.anonce, len(report.signed)) == (None, 1024)


def test_every_bit_of_the_policy_has_its_name() -> None:
    """32 bits in twelve numbers."""
    data = bytearray(v2_report(SIGNER)["data"])
    data[176:180] = 0x21_43_65_41.to_bytes(4, "little")
    policy = CSVReport.parse(MAGIC, 1, bytes(data)).claims("KPA")["policy"]
    flags = ("nodbg", "noks", "es", "nosend", "domain", "csv", "csv3", "asid_reuse")
    versions = {"hsk_version": 5, "cek_version": 6, "api_major": 0x43, "api_minor": 0x21}
    assert policy == dict.fromkeys(flags, 0) | {"nodbg": 1, "csv3": 1} | versions
