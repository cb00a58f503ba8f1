"""DCU evidence: synthetic and simulated, and every refusal for its reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.hygon import CEK, SERIAL, Key, Site, dcu_report

from app.attestation.evidence import (
    Binding,
    Claims,
    Context,
    RootedVerifier,
    UnverifiedEvidence,
)
from app.attestation.verifiers.hygondcu import MAX_REPORTS, VERIFIER, HygonDCUVerifier
from app.trust.errors import (
    BindingMismatchError,
    ChainError,
    CollateralUnavailableError,
    ConfigError,
    MalformedEvidenceError,
    SignatureError,
    UntrustedRootError,
)

SYNTHETIC = VECTORS / "synthetic" / "dcu"
SYNTHETIC_NAME = "hygon/hsk_cek/synthdcuchip0001"
NAME = f"hygon/hsk_cek/{SERIAL.lower()}"
SITE = Site()
TRUSTING = HygonDCUVerifier().with_extra_roots(SITE.root())
BOUND = Binding(b"bound")
REPORT = dcu_report(SITE.cek, b"bound")


def verify(
    evidence: Any,
    binding: Binding = BOUND,
    verifier: HygonDCUVerifier = TRUSTING,
    source: MemoryCollateral | None = None,
) -> list[Claims]:
    """The sets of claims, or the refusal."""
    context = Context(NOON, source or MemoryCollateral({NAME: SITE.pair()}))
    return verifier.verify(UnverifiedEvidence("hygondcu", evidence), binding, context)


def of(*reports: Any) -> dict[str, Any]:
    """Evidence of these reports."""
    return {"attestation_reports": [*reports]}


def test_one_flipped_bit_anywhere_is_refused() -> None:
    """In the body and in the signature; what names the chip is read before it is checked."""
    reasons = (SignatureError, BindingMismatchError, MalformedEvidenceError)
    sizes = {"chip_id": 16, "user_data": 64, "measure": 32, "reserved": 128, "r": 72, "s": 72}
    for name, size in sizes.items():
        for offset in range(size):
            report = copy.deepcopy(REPORT)
            part = report["sig"] if name in {"r", "s"} else report["body"]
            part[name][offset] ^= 1 << offset % 8
            with pytest.raises((*reasons, CollateralUnavailableError)):
                verify(of(report))


@pytest.mark.parametrize("name", ["version", "sig_usage", "sig_algo"])
@pytest.mark.parametrize("bit", range(32))
def test_one_flipped_bit_of_a_number_is_refused(name: str, bit: int) -> None:
    """The numbers of a report are signed, too."""
    report = copy.deepcopy(REPORT)
    report["body"][name] ^= 1 << bit
    with pytest.raises(SignatureError):
        verify(of(report))


SITES: dict[str, tuple[Site, type[Exception]]] = {
    "another root": (replace(SITE, hrk=Key("OTHER-HRK", 0)), UntrustedRootError),
    "another root of the same name": (replace(SITE, hrk=Key("SIM-HRK", 0, 1)), ChainError),
    "an HSK for something else": (replace(SITE, hsk=Key("SIM-HSK", CEK)), ChainError),
    "a CEK for something else": (replace(SITE, cek=Key("SIM-CEK", 0x1002)), ChainError),
    "another chip's CEK": (replace(SITE, cek=Key("SIM-CEK", CEK, 1)), SignatureError),
}


@pytest.mark.parametrize("name", SITES)
def test_certificates_that_do_not_vouch_are_refused(name: str) -> None:
    """Wherever they came from."""
    site, error = SITES[name]
    with pytest.raises(error) as refusal:
        verify(of(REPORT), source=MemoryCollateral({NAME: site.pair()}))
    assert type(refusal.value) is error


@pytest.mark.parametrize("body", [b"", b"<html>", SITE.pair()[:-1], SITE.pair() + b"\0"])
def test_collateral_that_does_not_parse_is_unavailable(body: bytes) -> None:
    """It is not the guest's fault."""
    with pytest.raises(CollateralUnavailableError):
        verify(of(REPORT), source=MemoryCollateral({NAME: body}))


def test_missing_certificates_are_named() -> None:
    """The operator can fetch them by hand."""
    with pytest.raises(CollateralUnavailableError, match=NAME):
        verify(of(REPORT), source=MemoryCollateral({}))


BINDINGS = {
    "no report data": None,
    "other report data": b"other",
    "a longer value": b"bound!",
    "nothing": b"",
    "a prefix": b"boun",
    "65 bytes": b"bound".ljust(65, b"\0"),
}


@pytest.mark.parametrize("name", BINDINGS)
def test_evidence_bound_to_something_else_is_refused(name: str) -> None:
    """And so is evidence that should not be bound at all; Hygon is asked for nothing."""
    source = MemoryCollateral({NAME: SITE.pair()})
    with pytest.raises(BindingMismatchError):
        verify(of(REPORT), Binding(BINDINGS[name]), source=source)
    assert source.asked == []


def test_every_report_is_checked() -> None:
    """One that is not bound, or not signed, refuses all of them."""
    stranger = dcu_report(Key("SIM-CEK", CEK, 1), b"bound")
    with pytest.raises(BindingMismatchError):
        verify(of(REPORT, dcu_report(SITE.cek, b"other")))
    with pytest.raises(SignatureError):
        verify(of(REPORT, stranger))


CHIPS = [b"../../etc", b"CHIP&x=1", b"chip", b"", b"CHIP\x001", b"\xff"]


@pytest.mark.parametrize("chip_id", CHIPS)
def test_issue_41_a_chip_id_is_checked_before_it_becomes_a_name(chip_id: bytes) -> None:
    """Even one that its own key signed."""
    source = MemoryCollateral({})
    with pytest.raises(MalformedEvidenceError):
        verify(of(dcu_report(SITE.cek, b"bound", chip_id)), source=source)
    assert source.asked == []


def shape_faults() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Ways in which JSON is not DCU evidence."""

    def body(**members: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda report: of({**report, "body": {**report["body"], **members}})

    return {
        "no object": lambda report: [report],
        "nothing": lambda _: None,
        "no reports": lambda _: {},
        "no report": lambda _: of(),
        "too many reports": lambda report: of(*[report] * (MAX_REPORTS + 1)),
        "reports that are an object": lambda report: {"attestation_reports": report},
        "a report that is text": lambda _: of("?"),
        "no body": lambda report: of({**report, "body": None}),
        "no signature": lambda report: of({**report, "sig": None}),
        "a short signature": lambda report: of({**report, "sig": {"r": [0] * 71, "s": [0] * 72}}),
        "a boolean version": body(version=True),
        "a negative version": body(version=-1),
        "a large version": body(version=2**32),
        "a version that is text": body(version="1"),
        "a short chip id": body(chip_id=[65] * 15),
        "a long chip id": body(chip_id=[65] * 17),
        "no user data": body(user_data=None),
        "a measure of no bytes": body(measure=[256] * 32),
        "a measure of booleans": body(measure=[True] * 32),
    }


@pytest.mark.parametrize("name", shape_faults())
def test_json_of_another_shape_is_malformed(name: str) -> None:
    """Said as such, and not by a crash."""
    with pytest.raises(MalformedEvidenceError):
        verify(shape_faults()[name](REPORT))


def test_extra_roots_must_be_roots() -> None:
    """The operator hears it when the server starts."""
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.hygondcu"):
        HygonDCUVerifier().with_extra_roots(SITE.pair())


def test_synthetic_evidence_gives_its_claims() -> None:
    """Made by another implementation under a root of its own, which only the test trusts."""
    evidence = json.loads((SYNTHETIC / "evidence.json").read_text("utf-8"))
    claims = json.loads((SYNTHETIC / "evidence.claims.json").read_text("utf-8"))
    verifier = HygonDCUVerifier().with_extra_roots((SYNTHETIC / "hrk.cert").read_bytes())
    source = MemoryCollateral({SYNTHETIC_NAME: (SYNTHETIC / "hsk_cek.cert").read_bytes()})
    binding = Binding(b"synthetic-report-data")
    found = verify(evidence, binding, verifier, source)
    assert found == [Claims("dcu", each) for each in claims]
    with pytest.raises(UntrustedRootError):
        verify(evidence, binding, HygonDCUVerifier(), source)


def test_each_report_has_its_own_claims() -> None:
    """In their order; the certificates of a chip are asked for once it is known and kept once."""
    source = MemoryCollateral({NAME: SITE.pair()})
    verifier = HygonDCUVerifier().with_extra_roots(SITE.root())
    other = dcu_report(SITE.cek, b"bound", measure=b"\x01" * 32)
    first, second = verify(of(REPORT, other), BOUND, verifier, source)
    assert (first.tee_class, second.tee_class) == ("dcu", "dcu")
    assert first.values != second.values
    assert [each.name for each in source.kept] == [NAME]


def test_the_built_in_verifier_trusts_hygon_alone() -> None:
    """And sites may add roots to it."""
    assert (VERIFIER.tee, VERIFIER.insecure) == ("hygondcu", False)
    assert isinstance(VERIFIER, RootedVerifier)
