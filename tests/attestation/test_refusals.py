"""Every check of every verifier refuses for its reason, and no reason is without a check.

The pages of the verifiers say what is checked and which reason codes that has; ``tests/refusals``
has evidence that is wrong in exactly that place; and the code of a verifier raises nothing that its
page does not tell.
"""

from __future__ import annotations

import pytest
from refusals import amd, hygon, intel, nvidia, others
from refusals.pages import promised
from refusals.raised import raised
from repository import DOCS
from simulated.dcap_site import refusal

MODULES = (amd, hygon, intel, nvidia, others)
ROWS = {tee: rows for module in MODULES for tee, rows in module.ROWS.items()}
PAGES = sorted(
    path.stem for path in (DOCS / "reference" / "verifiers").glob("*.md") if path.stem != "README"
)


def test_every_verifier_has_a_table() -> None:
    """A new one is asked for its own."""
    assert sorted(ROWS) == PAGES


@pytest.mark.parametrize("tee", PAGES)
def test_every_reason_of_every_check_is_met(tee: str) -> None:
    """Exactly that one, by evidence in which one thing is wrong."""
    rows = ROWS[tee]()
    assert sorted(rows) == sorted(promised(tee))
    found = {label: refusal(attempt) for label, attempt in rows.items()}
    assert found == {label: label.rpartition(" ")[2] for label in rows}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_what_the_tables_start_from_is_accepted(module: object) -> None:
    """Otherwise everything would be refused for nothing."""
    codes = {name: refusal(attempt) for name, attempt in module.accepted()}  # type: ignore[attr-defined]  # every table has it
    assert set(codes.values()) == {"accepted"}, codes


@pytest.mark.parametrize("tee", PAGES)
def test_no_reason_is_raised_that_the_page_does_not_tell(tee: str) -> None:
    """A check that is added without a row of the page is found here."""
    told = {label.rpartition(" ")[2] for label in promised(tee)}
    assert raised(tee) - told == set()


def test_reasons_are_found_in_the_code() -> None:
    """The search finds what is raised far below, and not what a neighbour raises."""
    assert {"tcb-mismatch", "privilege-level", "platform-unknown"} - raised("snp") == {
        "platform-unknown"
    }
    assert "event-log-mismatch" in raised("tdx")
    assert "event-log-mismatch" not in raised("sgx")
