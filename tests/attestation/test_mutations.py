"""A few changes of everything that is accepted; ``make mutation`` tries many more."""

from __future__ import annotations

import warnings

import pytest
from mutations.__main__ import all_cases, report
from mutations.sweep import Case, Part, stride, sweep

from app.trust.errors import CollateralUnavailableError, SignatureError

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.tee}, {case.name}")
def test_a_change_is_refused_and_never_with_an_outage(case: Case) -> None:
    """Bits and lengths spread over every part; nothing is accepted, nothing crashes."""
    with warnings.catch_warnings():
        # Changed certificates make the library warn about serial numbers.
        warnings.simplefilter("ignore")
        results = sweep(case, effort=0.0)
    assert results
    assert [fault for result in results for fault in result.faults] == []


def part(attempt: object, **how: object) -> Part:
    """Four bytes of something."""
    return Part("part", b"abcd", attempt, **how)  # type: ignore[arg-type]


def swept(*parts: Part) -> list[str]:
    """The faults that a full sweep of them finds."""
    (result,) = sweep(Case("tee", "case", 1, lambda: list(parts)), effort=1.0)
    return result.faults


def refuse(error: Exception) -> object:
    """Accepts the honest bytes only."""

    def attempt(data: bytes) -> None:
        if data != b"abcd":
            raise error

    return attempt


def test_a_sweep_notices_what_is_accepted() -> None:
    """A verifier that never refuses has a fault for every bit and every length."""
    assert len(swept(part(lambda _: None))) == 32 + 4


def test_a_sweep_notices_crashes_and_outages() -> None:
    """A guest would see a 500, or be told to try again."""
    assert "crashed: KeyError" in swept(part(refuse(KeyError())))[0]
    outage = refuse(CollateralUnavailableError("no"))
    assert "503 collateral-unavailable" in swept(part(outage))[0]
    assert swept(part(outage, outage_ok=True)) == []


def test_a_sweep_notices_that_the_honest_evidence_is_refused() -> None:
    """Otherwise everything would be refused for nothing."""

    def attempt(_: bytes) -> None:
        raise SignatureError("no")

    assert swept(part(attempt)) == ["the unchanged evidence is refused: signature-invalid"]


@pytest.mark.parametrize("possible", [1, 8, 1000, 32768])
def test_all_eight_bits_come_up(possible: int) -> None:
    """However few are tried."""
    tried = list(range(possible))[:: stride(possible, 64)]
    assert len(tried) <= 64
    assert {each % 8 for each in tried} == {each % 8 for each in range(min(possible, 8))}


def test_the_report_counts_what_was_tried() -> None:
    """For each TEE: tried of possible, refused, by reason."""
    case = Case("tee", "case", 1, lambda: [part(refuse(SignatureError("no")), spans=(range(1),))])
    text = report(sweep(case, effort=1.0))
    assert "bits changed: tried 8 of 8, refused 8" in text
    assert "cut short: tried 4 of 4, refused 4" in text
    assert text.endswith("faults: 0")
