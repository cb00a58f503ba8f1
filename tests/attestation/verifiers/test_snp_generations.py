"""Every generation, version of the report and kind of key: accepted, and refused for one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from simulated.dcap_site import refusal
from simulated.snp_site import Site

from app.lab.snp import ReportFields, SimulatedSNP, faultless_leaf, make_chip, report_json

GENERATIONS = ("Milan", "Genoa", "Turin")
KINDS = ("VCEK", "VLEK")
VERSIONS = (3, 4, 5)
CELLS = [(g, k, v) for g in GENERATIONS for k in KINDS for v in VERSIONS]
# Where each byte of a TCB version stands.
LEVELS = {
    "Milan": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Genoa": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Turin": {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7},
}
MALFORMED, TCB, CHIP = "malformed-evidence", "tcb-mismatch", "collateral-mismatch"


@cache
def site(generation: str, kind: str) -> Site:
    """A chip, and a verifier that trusts its root."""
    return Site(generation, kind)


def chip_of(generation: str, kind: str, **plan: Any) -> SimulatedSNP:
    """A chip whose certificate says something else."""
    planned = replace(faultless_leaf(generation, kind), **plan)
    return make_chip(site(generation, kind).amd, kind, planned)


def code(
    cell: tuple[str, str, int], chip: SimulatedSNP | None = None, bound: Any = None, **fields: Any
) -> str:
    """What becomes of a report that says something, and is signed."""
    generation, kind, version = cell
    place = site(generation, kind)
    found = place.evidence(chip, **{"version": version} | fields)
    return refusal(lambda: place.verify(found if bound is None else bound(found)))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_is_accepted_and_refused_for_one_thing(cell: tuple[str, str, int]) -> None:
    """The faultless report, then each of its checks by itself."""
    generation, kind, _ = cell
    tcb = faultless_leaf(generation, kind).tcb
    assert code(cell) == "accepted"
    for name in tcb:
        assert code(cell, tcb=tcb | {name: tcb[name] + 1}) == TCB, name
    stranger = replace(site(generation, kind).chip, key=ec.generate_private_key(ec.SECP384R1()))
    assert code(cell, stranger) == "signature-invalid"
    assert code(cell, vmpl=1) == "privilege-level"
    assert code(cell, signing_key=1 - KINDS.index(kind)) == "chain-invalid"
    # A VLEK is of no chip; a VCEK is of one.
    assert code(cell, chip_id=b"\1" * 64) == (CHIP if kind == "VCEK" else "accepted")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [0, 1, 2, 6, 2**32 - 1])
def test_other_versions_are_refused(generation: str, kind: str, version: int) -> None:
    """2 does not name its processor, and what comes after 5 is not known."""
    assert code((generation, kind, version)) == MALFORMED


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_level_of_the_certificate_counts(generation: str) -> None:
    """One that the certificate lacks, or has too high; FMC on Turin, and nowhere else."""
    cell = (generation, "VCEK", 3)
    levels = faultless_leaf(generation).tcb
    for name, level in levels.items():
        assert code(cell, chip_of(generation, "VCEK", tcb=levels | {name: level + 1})) == TCB
    if "fmc" not in levels:
        assert code(cell, chip_of(generation, "VCEK", tcb=levels | {"fmc": 0})) == TCB
    else:
        without = {name: level for name, level in levels.items() if name != "fmc"}
        assert code(cell, chip_of(generation, "VCEK", tcb=without)) == TCB


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_layout_of_the_tcb_is_the_generations(generation: str) -> None:
    """A byte that is reserved has to be zero, in each of the four TCB versions of a report."""
    place = site(generation, "VCEK")
    report = place.chip.report(ReportFields())
    used = LEVELS[generation]
    assert {report[0x180 + at] for at in range(8) if at not in used.values()} == {0}
    claims = place.verify(place.evidence()).values
    expected = faultless_leaf(generation).tcb
    for name, at in used.items():
        assert report[0x180 + at] == expected[name]
        if name != "fmc":
            assert claims[f"reported_tcb_{name}"] == expected[name]


@pytest.mark.parametrize("generation", ["Milan", "Genoa"])
def test_only_a_turin_has_an_fmc(generation: str) -> None:
    """Elsewhere the member is null, and a number there is refused."""

    def with_fmc(evidence: dict[str, Any]) -> dict[str, Any]:
        evidence["attestation_report"]["reported_tcb"]["fmc"] = 1
        return evidence

    assert code((generation, "VCEK", 3), bound=with_fmc) == MALFORMED


def test_a_turin_has_to_have_its_fmc() -> None:
    """Null is not zero."""

    def without_fmc(evidence: dict[str, Any]) -> dict[str, Any]:
        evidence["attestation_report"]["reported_tcb"]["fmc"] = None
        return evidence

    assert code(("Turin", "VCEK", 3), bound=without_fmc) == MALFORMED


HWIDS: dict[str, tuple[str, bytes | None, bytes | None, str]] = {
    "Milan, its 64 bytes": ("Milan", bytes(range(64)), None, "accepted"),
    "Milan, 8 bytes": ("Milan", bytes(range(8)), None, CHIP),
    "Milan, another chip": ("Milan", bytes(64), None, CHIP),
    "Genoa, 8 bytes and a report of 8": ("Genoa", bytes(range(1, 9)), bytes(range(1, 9)), CHIP),
    "Turin, its 8 bytes": ("Turin", bytes(range(1, 9)), None, "accepted"),
    "Turin, another chip": ("Turin", bytes(range(2, 10)), None, CHIP),
    "Turin, 8 bytes and a report of 9": ("Turin", bytes(range(1, 9)), bytes(range(1, 10)), CHIP),
    "Turin, 64 bytes with zeros": ("Turin", bytes(range(1, 9)).ljust(64, b"\0"), None, "accepted"),
    "Turin, 64 bytes": ("Turin", bytes(range(1, 65)), None, CHIP),
    "Turin, 7 bytes": ("Turin", bytes(range(1, 8)), None, CHIP),
    "Turin, none": ("Turin", None, None, CHIP),
}


@pytest.mark.parametrize(("generation", "hwid", "chip_id", "expected"), HWIDS.values(), ids=HWIDS)
def test_a_chip_is_known_by_its_id(
    generation: str, hwid: bytes | None, chip_id: bytes | None, expected: str
) -> None:
    """64 bytes, or 8 on Turin with zeros behind them in the report; what is shorter is another."""
    chip = chip_of(generation, "VCEK", hwid=hwid)
    fields = {} if chip_id is None else {"chip_id": chip_id}
    assert code((generation, "VCEK", 3), chip, **fields) == expected


CPUS: list[tuple[str, int, int]] = [
    ("Milan", 0x19, 0x00),
    ("Milan", 0x19, 0x0F),
    ("Genoa", 0x19, 0x10),
    ("Genoa", 0x19, 0x1F),
    ("Genoa", 0x19, 0xA0),
    ("Genoa", 0x19, 0xAF),
    ("Turin", 0x1A, 0x00),
    ("Turin", 0x1A, 0x11),
]
NO_CPUS = [(0x19, 0x20), (0x19, 0x9F), (0x19, 0xB0), (0x1A, 0x12), (0x18, 0x01), (0x00, 0x00)]


def of_processor(generation: str, family: int, model: int) -> Callable[[], object]:
    """A report that names a processor, signed anew."""
    place = site(generation, "VCEK")
    report = bytearray(place.chip.report(ReportFields()))
    report[0x188:0x18A] = bytes((family, model))
    signed = place.chip.sign(bytes(report))
    evidence = place.chip.evidence(signed)
    assert evidence["attestation_report"] == report_json(signed, generation)
    return lambda: place.verify(evidence)


@pytest.mark.parametrize(("generation", "family", "model"), CPUS)
def test_processors_of_a_generation(generation: str, family: int, model: int) -> None:
    """From the first model to the last."""
    assert refusal(of_processor(generation, family, model)) == "accepted"


@pytest.mark.parametrize(("family", "model"), NO_CPUS)
def test_unknown_processors_are_refused(family: int, model: int) -> None:
    """Between and beyond the ranges there is no root to judge by."""
    assert refusal(of_processor("Milan", family, model)) == MALFORMED


@pytest.mark.parametrize(("of", "by"), [*permutations(GENERATIONS, 2)])
def test_a_generation_does_not_vouch_for_another(of: str, by: str) -> None:
    """A report that names one, with the root and the certificates of another."""
    family, model = next((family, model) for each, family, model in CPUS if each == of)
    place = site(by, "VCEK")
    report = bytearray(place.chip.report(ReportFields()))
    report[0x188:0x18A] = bytes((family, model))
    evidence = place.chip.evidence(place.chip.sign(bytes(report)))
    evidence["attestation_report"] = report_json(place.chip.sign(bytes(report)), by)
    # Layouts of the TCB differ, or the root is not the named generation's.
    expected = {MALFORMED} if "Turin" in {of, by} else {"collateral-unavailable"}
    assert refusal(lambda: place.verify(evidence)) in expected
