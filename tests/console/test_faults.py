"""The true cause stands first, and doing what stands first gives the guest its secret.

Every fault goes the way of real requests through a whole server (tests/fault_site.py); the same
table prints a report (``python tests/fault_table.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_site import FaultSite, sample, snp, tpm
from fault_table import FAULTS, Fault, inject
from refusal_table import REFUSALS, Refusal

from app.console.reasons import REASONS
from app.trust.decisions import Outcome


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultSite]:
    """One server for all of them: each fault begins with everything right."""
    made = FaultSite(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


def test_there_are_enough_faults_of_every_kind() -> None:
    """Sixty at least, over every TEE that is simulated here, by names that differ."""
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 60
    assert {fault.machine().tee for fault in FAULTS} == {
        *("sample", "snp", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm", "tpm", "cca", "csv", "se"),
    }
    assert {device for fault in FAULTS for device in fault.machine().devices} == {
        *("nvidia", "nvidia-dpu", "hygondcu"),
    }


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_cause_stands_first_and_its_remedy_helps(site: FaultSite, fault: Fault) -> None:
    """What is to blame is named by the first way, and taking that way allows."""
    found = inject(site, fault)
    assert found.is_refused
    assert found.is_first, found.why.ways
    assert found.is_mended


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_before_any_policy_is_told_by_its_reason(
    site: FaultSite, refusal: Refusal
) -> None:
    """The code is exact, has a sentence of its own and a way on, and the way on leads on."""
    site.reset(sample().values | snp().values | tpm().values)
    refused = refusal.ask(site)
    assert refused.headers["Vouchgate-Reason"] == refusal.code
    assert refusal.code in REASONS
    assert ("Vouchgate-Decision" in refused.headers) == refusal.is_recorded
    if refusal.is_recorded:
        record, why = site.explain(refused)
        assert (record.outcome, record.reason) == (Outcome.DENIED, refusal.code)
        assert why.reason is REASONS[refusal.code]
        assert why.ways == ()
    assert refusal.mend(site).status_code == 200
