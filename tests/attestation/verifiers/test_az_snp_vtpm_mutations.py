"""Every byte of an Azure SNP machine's evidence: nothing passes, only refusals leave.

The vectors are genuine; the bit that is flipped moves with the byte. Then whatever else can stand
in the place of evidence.
"""

from __future__ import annotations

import base64
import copy
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.azure_snp_site import (
    BOUND,
    GENUINE,
    MACHINE,
    PLAN,
    changed_bytes,
    genuine_evidence,
    verify,
)
from simulated.dcap_site import flipped, refusal

from app.attestation.evidence import Binding
from app.lab.vtpm import TDX, hcl_report, variable_data


def counted(
    evidence: dict[str, Any], path: tuple[str, ...], data: bytes, places: range, name: str
) -> Counter[str]:
    """The reason codes for one flipped bit in each of some bytes of genuine evidence."""
    found: Counter[str] = Counter()
    for at in places:
        changed = changed_bytes(evidence, path, flipped(data, at, at % 8))
        found[refusal(lambda c=changed: verify(c, Binding(GENUINE[name]), genuine=True))] += 1
    return found


def hcl_regions(size: int) -> dict[str, tuple[range, set[str]]]:
    """The fields of an HCL report, and the reason codes that their changes have."""
    malformed, signature = "malformed-evidence", "signature-invalid"
    root, untrusted = "root-untrusted", "attestation-key-untrusted"
    return {
        "magic, version, size": (range(12), {malformed}),
        "version of the report": (range(0x20, 0x24), {malformed, signature}),
        "before report data": (
            range(0x24, 0x70),
            {malformed, signature, "chain-invalid"},
        ),
        "digest of the variable data": (range(0x70, 0x90), {untrusted}),
        "the rest of the signed report": (range(0x90, 0x2C0), {malformed, signature, root}),
        "the signature": (range(0x2C0, 0x350), {signature}),
        "reserved": (range(0x350, 0x4C0), {malformed}),
        "sizes, type, hash": (range(0x4C0, 0x4C4), {malformed}),
        "type, hash, size": (range(0x4C8, 0x4D4), {malformed}),
        "variable data": (range(0x4D4, 0x4D4 + size), {untrusted}),
        "behind it": (range(0x4D4 + size, 2600), {malformed}),
    }


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_no_byte_of_a_genuine_hcl_report_can_change(name: str) -> None:
    """Each field has its own reason codes; what nobody signs and nobody reads is left out."""
    evidence = genuine_evidence(name)
    data = base64.urlsafe_b64decode(evidence["hcl_report"])
    size = int.from_bytes(data[0x4D0:0x4D4], "little")
    for field, (places, codes) in hcl_regions(size).items():
        found = counted(evidence, ("hcl_report",), data, places, name)
        assert set(found) <= codes, f"{field}: {found}"


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_no_byte_of_a_genuine_tpm_quote_can_change(name: str) -> None:
    """Lengths, magic and type do not parse, everything else is what the key signed."""
    evidence = genuine_evidence(name)
    path = ("tpm_quote", "message")
    message = bytes.fromhex(evidence["tpm_quote"]["message"])
    head = counted(evidence, path, message, range(8), name)
    assert head == {"malformed-evidence": 8}
    rest = counted(evidence, path, message, range(8, len(message)), name)
    # Two sizes of two bytes, safe, the number of banks, the size of the bitmap, that of the digest.
    assert set(rest) == {"malformed-evidence", "signature-invalid"}
    assert rest["malformed-evidence"] <= 12
    signature = bytes.fromhex(evidence["tpm_quote"]["signature"])
    path = ("tpm_quote", "signature")
    assert counted(evidence, path, signature, range(256), name) == {"signature-invalid": 256}


def test_no_byte_of_a_genuine_vcek_can_change() -> None:
    """Nothing in a certificate is without a check."""
    evidence = genuine_evidence("v1")
    vcek = base64.urlsafe_b64decode(evidence["vcek"])
    found = counted(evidence, ("vcek",), vcek, range(len(vcek)), "v1")
    assert set(found) <= {"chain-invalid", "malformed-evidence"}


def test_no_register_of_a_genuine_quote_can_change() -> None:
    """One bit in each byte of each of the 24."""
    evidence = genuine_evidence("v2")
    pcrs = [bytes.fromhex(pcr) for pcr in evidence["tpm_quote"]["pcrs"]]
    found: Counter[str] = Counter()
    for number, at in ((number, at) for number in range(24) for at in range(0, 32, 4)):
        listed = [pcr.hex() for pcr in pcrs]
        listed[number] = flipped(pcrs[number], at, number % 8).hex()
        changed = copy.deepcopy(evidence)
        changed["tpm_quote"]["pcrs"] = listed
        binding = Binding(GENUINE["v2"])
        found[refusal(lambda c=changed, b=binding: verify(c, b, genuine=True))] += 1
    assert found == {"register-mismatch": 192}


@pytest.mark.parametrize(
    "path", [("hcl_report",), ("tpm_quote", "message"), ("tpm_quote", "signature"), ("vcek",)]
)
def test_truncated_and_prolonged_parts_are_refused(path: tuple[str, ...]) -> None:
    """At every length below the honest one, and one byte above it."""
    evidence = genuine_evidence("v1")
    text = evidence["tpm_quote"][path[1]] if path[1:] else evidence[path[0]]
    data = bytes.fromhex(text) if path[1:] else base64.urlsafe_b64decode(text)
    if path == ("hcl_report",):
        data = data[: 0x4D4 + int.from_bytes(data[0x4D0:0x4D4], "little")]
    parts = [data[:length] for length in range(len(data))] + [data + b"\1"]
    codes = {
        refusal(lambda p=part: verify(changed_bytes(evidence, path, p), BOUND, genuine=True))
        for part in parts
    }
    assert codes == {"signature-invalid" if path[-1] == "signature" else "malformed-evidence"}


def test_zeros_behind_the_hcl_report_mean_nothing() -> None:
    """It is read from an area of fixed size; without the zeros it is the same report."""
    evidence = genuine_evidence("v1")
    data = base64.urlsafe_b64decode(evidence["hcl_report"]).rstrip(b"\0")
    changed = changed_bytes(evidence, ("hcl_report",), data)
    assert verify(changed, BOUND, genuine=True) == verify(evidence, BOUND, genuine=True)


# --- What is malformed -------------------------------------------------------------------------

EDITS: dict[str, dict[str, Any]] = {
    "version 0 with the members of 1": {"version": ...},
    "version 3": {"version": 3},
    "version true": {"version": True},
    "version null": {"version": None},
    "version as text": {"version": "1"},
    "no quote": {"tpm_quote": ...},
    "a quote that is a list": {"tpm_quote": []},
    "no HCL report": {"hcl_report": ...},
    "an HCL report of integers": {"hcl_report": [72, 67, 76, 65]},
    "an HCL report of another alphabet": {"hcl_report": "++//"},
    "an HCL report without padding": {"hcl_report": "AAA"},
    "an HCL report with too much padding": {"hcl_report": "AAAA===="},
    "an HCL report of 24 KiB": {"hcl_report": "A" * 24 * 1024},
    "no VCEK": {"vcek": ...},
    "an empty VCEK": {"vcek": ""},
    "a VCEK that is none": {"vcek": "AAAA"},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_malformed_evidence_is_malformed(edit: dict[str, Any]) -> None:
    """Whatever the shape, the answer says that the evidence does not parse."""
    edited = genuine_evidence("v1") | edit
    evidence = {name: value for name, value in edited.items() if value is not ...}
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


QUOTE_EDITS: dict[str, dict[str, Any]] = {
    "registers that are none": {"pcrs": []},
    "25 registers": {"pcrs": ["00" * 32] * 25},
    "registers in the place of a list": {"pcrs": {"0": "00" * 32}},
    "a register of 31 bytes": {"pcrs": ["00" * 31]},
    "a register of 33 bytes": {"pcrs": ["00" * 33]},
    "a register that is a number": {"pcrs": [0]},
    "half a byte": {"message": "f"},
    "white space": {"message": "ff 54"},
    "a message of 2 KiB": {"message": "00" * 2048},
    "no signature": {"signature": None},
    "a signature of 2 KiB": {"signature": "00" * 2048},
    "integers in version 1": {"signature": [1, 2, 3]},
}


@pytest.mark.parametrize("edit", QUOTE_EDITS.values(), ids=QUOTE_EDITS)
def test_a_malformed_quote_is_malformed(edit: dict[str, Any]) -> None:
    """Types and lengths are checked before anything is converted."""
    evidence = genuine_evidence("v1")
    evidence["tpm_quote"] |= edit
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


OLD_EDITS: dict[str, dict[str, Any]] = {
    "a boolean among bytes": {"report": [True] * 2600},
    "a number that is no byte": {"report": [256] * 2600},
    "a negative number": {"report": [-1] * 2600},
    "a million integers": {"report": [0] * 1_000_000},
    "hex in version 0": {"report": "00"},
    "a certificate of integers": {"vcek": [48]},
    "a text that is no PEM": {"vcek": "?"},
    "a PEM with letters of another alphabet": {"vcek": "\u00e9"},
    "a PEM of 64 KiB and more": {"vcek": "-" * 65537},
}


@pytest.mark.parametrize("edit", OLD_EDITS.values(), ids=OLD_EDITS)
def test_malformed_evidence_of_version_0_is_malformed(edit: dict[str, Any]) -> None:
    """Lists of integers are bounded before they become bytes."""
    evidence = genuine_evidence("v0") | edit
    assert refusal(lambda: verify(evidence, BOUND, genuine=True)) == "malformed-evidence"


def test_the_hcl_report_is_of_the_same_hardware() -> None:
    """A report of TDX is no report of SNP, whatever stands in it."""
    evidence = MACHINE.evidence(PLAN)
    hcl = hcl_report(bytes(1184), variable_data(), TDX)
    changed = changed_bytes(evidence, ("hcl_report",), hcl)
    assert refusal(lambda: verify(changed)) == "malformed-evidence"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["version", "tpm_quote", "hcl_report", "vcek"])


@settings(max_examples=150, deadline=None)
@given(MEMBERS, JSON)
def test_no_json_escapes(name: str, value: Any) -> None:
    """Whatever stands in the place of evidence or of a member, only reasons leave."""
    for body in (value, genuine_evidence("v1") | {name: value}):
        code = refusal(lambda b=body: verify(b, BOUND, genuine=True))
        assert code in {"malformed-evidence", "accepted", "binding-mismatch"}
