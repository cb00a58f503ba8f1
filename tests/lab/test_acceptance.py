"""The lab's acceptance table: every fault has its reason code, or its trust vector."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.lab.acceptance import ACCEPTED, Bench, Case, Expected, bench, report, table
from app.lab.faults import MEANINGS, Fault
from app.lab.vendor import TEES

TABLE = table()


@pytest.fixture(scope="module")
def ready() -> Iterator[Bench]:
    """A server that trusts the lab."""
    with bench() as opened:
        yield opened


@pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case.tee}, {case.fault}")
def test_a_fault_has_its_outcome(ready: Bench, case: Case) -> None:
    """As the table says, against a whole server."""
    assert ready.run(case) == case.expected


def test_every_tee_and_every_fault_is_in_the_table() -> None:
    """And every fault is explained."""
    assert {case.tee for case in TABLE} == set(TEES)
    assert {case.fault for case in TABLE} == set(Fault) == set(MEANINGS)


def test_only_what_is_right_is_affirmed() -> None:
    """A fault that is accepted leaves its mark in the trust vector."""
    for case in TABLE:
        if case.expected.code == ACCEPTED and case.fault is not Fault.NONE:
            assert case.expected.vector is not None
            assert max(case.expected.vector) > 32


def test_the_report_tells_what_differs() -> None:
    """Line by line, and in all."""
    case = Case("snp", Fault.REPLAY, Expected("nonce-used"))
    text = report([(case, case.expected), (case, Expected(ACCEPTED, (2, 3, 2)))])
    assert text.count("<-- differs") == 1
    assert text.endswith("2 cases, 1 of them not as expected")


def test_tokens_say_that_a_lab_is_trusted(ready: Bench) -> None:
    """Whoever relies on one can see it, and so can whoever looks at the server."""
    issuer = ready.services.attestation.rules.issuer
    assert issuer.build.endswith(" trusting a lab")
    assert ready.services.posture.insecure_settings == ("attestation.insecure_trust_lab",)
