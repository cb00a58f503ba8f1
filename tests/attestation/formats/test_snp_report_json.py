"""The JSON form of a report stands for exactly one row of bytes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from paths import VECTORS

from app.attestation.formats.snp_report_json import encode_report
from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, make_chip, report_json
from app.trust.errors import MalformedEvidenceError

SNP = VECTORS / "snp"
INTEGERS = {
    "version": 4,
    "guest_svn": 4,
    "policy": 8,
    "vmpl": 4,
    "sig_algo": 4,
    "plat_info": 8,
    "key_info": 4,
    "cpuid_fam_id": 1,
    "cpuid_mod_id": 1,
    "cpuid_step": 1,
}
ARRAYS = {
    "family_id": 16,
    "image_id": 16,
    "report_data": 64,
    "measurement": 48,
    "host_data": 32,
    "id_key_digest": 48,
    "author_key_digest": 48,
    "report_id": 32,
    "report_id_ma": 32,
    "chip_id": 64,
}
OBJECTS = {
    "current_tcb": ("bootloader", "tee", "snp", "microcode"),
    "reported_tcb": ("bootloader", "tee", "snp", "microcode"),
    "committed_tcb": ("bootloader", "tee", "snp", "microcode"),
    "launch_tcb": ("bootloader", "tee", "snp", "microcode"),
    "current": ("major", "minor", "build"),
    "committed": ("major", "minor", "build"),
    "signature": ("r", "s"),
}
NOT_INTEGERS = [None, True, False, 1.0, "1", [], {}, -1]


@pytest.fixture
def genuine() -> dict[str, Any]:
    """A genuine report of version 3, as a guest sent it."""
    evidence = json.loads((SNP / "e2e-evidence-genoa-v3.json").read_text("utf-8"))
    report: dict[str, Any] = evidence["attestation_report"]
    return report


def test_genuine_json_stands_for_the_genuine_bytes(genuine: dict[str, Any]) -> None:
    """Bytes that a real chip signed."""
    assert encode_report(genuine) == (SNP / "e2e-report-genoa-v3.bin").read_bytes()


@pytest.mark.parametrize(
    ("name", "generation"), [("test-report.bin", "Milan"), ("test-vlek-report.bin", "Milan")]
)
def test_genuine_bytes_come_back_from_json(name: str, generation: str) -> None:
    """Versions 2 and 3, by an independent writer of the JSON."""
    report = (SNP / name).read_bytes()
    assert encode_report(report_json(report, generation)) == report


@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("generation", ["Milan", "Genoa", "Turin"])
def test_simulated_bytes_come_back_from_json(generation: str, version: int) -> None:
    """Each layout of each version."""
    chip = make_chip(SimulatedAMD(generation))
    report = chip.report(ReportFields(b"data", bytes(range(32)), version=version))
    assert encode_report(report_json(report, generation)) == report


def test_members_that_are_not_known_are_ignored(genuine: dict[str, Any]) -> None:
    """Newer guests may send more; what is signed is what is known."""
    assert encode_report({**genuine, "novelty": 1}) == encode_report(genuine)


@pytest.mark.parametrize("name", [*INTEGERS, *ARRAYS, *OBJECTS])
def test_a_missing_member_is_refused(genuine: dict[str, Any], name: str) -> None:
    """A default would be signed by nobody."""
    del genuine[name]
    with pytest.raises(MalformedEvidenceError, match=name):
        encode_report(genuine)


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_of_another_kind_or_range_is_refused(genuine: dict[str, Any], name: str) -> None:
    """JSON has many things that Python would take for a number."""
    for value in (*NOT_INTEGERS, 1 << 8 * INTEGERS[name], 10**4000):
        with pytest.raises(MalformedEvidenceError):
            encode_report({**genuine, name: value})


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_another_length_or_kind_is_refused(genuine: dict[str, Any], name: str) -> None:
    """At every shorter length, longer by one, and with elements that are no bytes."""
    whole = genuine[name]
    shorter = [whole[:length] for length in range(ARRAYS[name])]
    strange = [[value, *whole[1:]] for value in (-1, 256, True, None, 1.0, "1", 10**30)]
    for value in (*shorter, [*whole, 0], *strange, "text", None, {}, bytes(whole).hex()):
        with pytest.raises(MalformedEvidenceError, match=name):
            encode_report({**genuine, name: value})


@pytest.mark.parametrize(("name", "member"), [(n, m) for n in OBJECTS for m in OBJECTS[n]])
def test_a_part_of_another_kind_is_refused(genuine: dict[str, Any], name: str, member: str) -> None:
    """Missing, or of every other kind."""
    for value in (*NOT_INTEGERS, 256, [0] * 71, [0] * 73):
        changed = copy.deepcopy(genuine)
        changed[name][member] = value
        with pytest.raises(MalformedEvidenceError):
            encode_report(changed)
    del genuine[name][member]
    with pytest.raises(MalformedEvidenceError):
        encode_report(genuine)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_part_that_is_no_object_is_refused(genuine: dict[str, Any], name: str) -> None:
    """Of every other kind."""
    for value in (None, [], 1, "text", True):
        with pytest.raises(MalformedEvidenceError, match=name):
            encode_report({**genuine, name: value})


def test_what_a_version_or_generation_does_not_have_is_refused(genuine: dict[str, Any]) -> None:
    """It would have no place in the bytes, so nobody signed it."""
    older = {**genuine, "version": 2}
    tcb = {**genuine["reported_tcb"], "fmc": 1}
    for changed in (
        older,
        {**genuine, "launch_mit_vector": 0},
        {**genuine, "current_mit_vector": 7},
        {**genuine, "reported_tcb": tcb},
    ):
        with pytest.raises(MalformedEvidenceError):
            encode_report(changed)


def test_what_a_version_needs_is_required() -> None:
    """Mitigation vectors from version 5 on, the FMC on Turin."""
    chip = make_chip(SimulatedAMD("Turin"))
    report = report_json(chip.report(ReportFields(version=5)), "Turin")
    tcb = {**report["reported_tcb"], "fmc": None}
    for changed in ({**report, "launch_mit_vector": None}, {**report, "reported_tcb": tcb}):
        with pytest.raises(MalformedEvidenceError):
            encode_report(changed)


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_a_report_that_is_no_object_is_refused(value: Any) -> None:
    """Of every other kind."""
    with pytest.raises(MalformedEvidenceError):
        encode_report(value)
