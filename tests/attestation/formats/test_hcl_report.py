"""HCL reports: every field that decides is checked, and nothing is read before it is bound."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.dcap_site import refusal

from app.attestation.formats.hcl_report import HardwareReport, HCLReport, VariableData
from app.lab.vtpm import TDX, ak, bound_to, hcl_report, variable_data
from app.trust.errors import MalformedEvidenceError, UntrustedAttestationKeyError

GENUINE = (VECTORS / "az-snp-vtpm" / "hcl-report.bin").read_bytes()
VARIABLE = variable_data(b"user data")
SNP = HardwareReport.SNP


def test_a_genuine_report_is_bound_by_its_hardware() -> None:
    """The digest of the variable data stands in the SNP report."""
    report = HCLReport.parse(GENUINE, SNP)
    report.check_bound(report.hardware_report[0x50:0x90])
    assert VariableData.parse(report.unverified_data).key.key_size == 2048


REPORTS = {
    "nothing": b"",
    "another magic": b"HCLB" + GENUINE[4:],
    "version 3": GENUINE[:4] + b"\3" + GENUINE[5:],
    "another size": GENUINE[:8] + b"\0" + GENUINE[9:],
    "of TDX": hcl_report(b"", VARIABLE, TDX),
    "of no hardware": hcl_report(b"", VARIABLE, 0),
    "SHA-384": hcl_report(b"", VARIABLE, hash_type=2),
    "no hash": hcl_report(b"", VARIABLE, hash_type=0),
    "something behind it": hcl_report(b"", VARIABLE)[:-1] + b"\1",
    "cut off": hcl_report(b"", VARIABLE, size=0)[:-1],
}


@pytest.mark.parametrize("data", REPORTS.values(), ids=REPORTS)
def test_other_reports_are_malformed(data: bytes) -> None:
    """wire.md 14.2 #37: the kind of the report and of its hash are checked."""
    with pytest.raises(MalformedEvidenceError):
        HCLReport.parse(data, SNP)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.integers(0, len(GENUINE)))
def test_noise_is_refused(noise: bytes, at: int) -> None:
    """In any place of a genuine report."""
    mixed = GENUINE[:at] + noise + GENUINE[at + len(noise) :]
    assert refusal(lambda: HCLReport.parse(mixed, SNP)) in {"malformed-evidence", "accepted"}
    assert refusal(lambda: VariableData.parse(noise)) == "malformed-evidence"


@pytest.mark.parametrize("report_data", [b"", bytes(64), hashlib.sha256(b"other").digest()])
def test_data_that_the_hardware_does_not_know_is_untrusted(report_data: bytes) -> None:
    """Whoever wrote it could have named any key."""
    report = HCLReport.parse(hcl_report(b"", VARIABLE), SNP)
    report.check_bound(bound_to(VARIABLE))
    with pytest.raises(UntrustedAttestationKeyError):
        report.check_bound(report_data)


DOCUMENTS: dict[str, Any] = {
    "no object": [],
    "no keys": {},
    "keys that are no list": {"keys": {"kid": "HCLAkPub"}},
    "keys of other kinds": {"keys": [1, None, "HCLAkPub"]},
    "another name": json.loads(variable_data(kid="HCLEkPub")),
    "two of the name": {"keys": json.loads(VARIABLE)["keys"] * 2},
    "another kind of key": json.loads(variable_data(kty="EC")),
    "a modulus that is a number": json.loads(variable_data(n=1)),
    "a modulus with padding": json.loads(variable_data(n="AA==")),
    "a short modulus": json.loads(variable_data(n="AQAB")),
    "a long modulus": json.loads(variable_data(n="A" * 1025)),
    "no exponent": json.loads(variable_data(e=None)),
    "another exponent": json.loads(variable_data(e="Aw")),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_other_documents_are_malformed(document: Any) -> None:
    """Exactly one key of the name, RSA, as TPMs have them."""
    with pytest.raises(MalformedEvidenceError):
        VariableData.parse(json.dumps(document).encode())


def test_a_repeated_member_is_refused() -> None:
    """Two parsers could read two keys."""
    repeated = b'{"keys":[],' + variable_data()[1:]
    with pytest.raises(MalformedEvidenceError):
        VariableData.parse(repeated)


USER_DATA = {
    "the same": (b"bound", "accepted"),
    "longer": (b"bound and more", "accepted"),
    "shorter": (b"boun", "binding-mismatch"),
    "empty": (b"", "binding-mismatch"),
    "another": (b"Bound", "binding-mismatch"),
    "none": (None, "malformed-evidence"),
}


@pytest.mark.parametrize(("user_data", "code"), USER_DATA.values(), ids=USER_DATA)
def test_user_data_begins_with_what_is_expected(user_data: bytes | None, code: str) -> None:
    """A value that is too short is a refusal, and no crash."""
    data = VariableData.parse(variable_data(user_data, ak(1)))
    assert refusal(lambda: data.check_user_data(b"bound")) == code
