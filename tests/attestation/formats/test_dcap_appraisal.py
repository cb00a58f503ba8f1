"""Appraisals as claims, and the options of DCAP verifiers; the steps are tested by verifiers."""

from __future__ import annotations

from typing import Any

import pytest
from simulated.dcap_site import REPORT_DATA, machine, published

from app.attestation.evidence import Context
from app.attestation.formats.dcap_appraisal import (
    DCAPAppraisal,
    DCAPAppraiser,
    DCAPKind,
    DCAPOptions,
    StaleCollateral,
)
from app.attestation.formats.dcap_quote import parse_td_quote
from app.lab.intel import NOON
from app.trust.errors import ConfigError

QUOTE = parse_td_quote(machine().quote(REPORT_DATA))


def appraise(**changes: Any) -> DCAPAppraisal:
    """The appraisal of the simulated machine under changed collateral."""
    appraiser = DCAPAppraiser(DCAPKind.TDX, machine().intel.roots)
    return appraiser.appraise(QUOTE, Context(NOON, published(**changes)))


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"stale_collateral": "accept"}, 1),
        ({"stale_collateral": None}, 1),
        ({"stale_collateral": ["claim"]}, 1),
        ({"stale": "claim", "more": 1, "stale_collateral": 0}, 3),
    ],
)
def test_lists_every_fault_of_options(options: dict[str, Any], faults: int) -> None:
    """An operator sees all at once, each with its place."""
    with pytest.raises(ConfigError) as raised:
        DCAPOptions.parse("sgx", options)
    assert len(raised.value.faults) == faults
    assert all(each.startswith("attestation.verifier_options.sgx.") for each in raised.value.faults)


def test_refuses_stale_collateral_unless_told_otherwise() -> None:
    """The default does not weaken."""
    assert DCAPOptions.parse("tdx", {}).stale_collateral is StaleCollateral.REFUSE
    claim = DCAPOptions.parse("tdx", {"stale_collateral": "claim"})
    assert claim.stale_collateral is StaleCollateral.CLAIM


def test_claims_the_lower_evaluation_number() -> None:
    """TCB info and identity may take part in different recoveries of Intel's."""
    assert appraise(tcb_info={"tcbEvaluationDataNumber": 5}).dcap_claims()["tcb_eval_num"] == 5
    assert appraise(identity={"tcbEvaluationDataNumber": 6}).dcap_claims()["tcb_eval_num"] == 6


def test_claims_the_earliest_and_the_latest_date_of_everything() -> None:
    """Certificates, lists and documents count alike."""
    early, late, end = "2019-01-01T00:00:00Z", "2026-03-01T11:59:59Z", "2026-03-01T12:00:01Z"
    appraisal = appraise(
        tcb_info={"issueDate": early, "nextUpdate": end}, identity={"issueDate": late}
    )
    claims = appraisal.dcap_claims()
    assert claims["earliest_issue_date"] == early
    assert claims["latest_issue_date"] == late
    assert claims["earliest_expiration_date"] == end
    assert claims["collateral_expiration_status"] == "0"


def test_platform_instances_are_claimed_in_reverse() -> None:
    """As Trustee spells them."""
    claims = appraise().platform_claims()
    assert claims == {"platform_instance_id": machine().platform.instance_id[::-1].hex()}
