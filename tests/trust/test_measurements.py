"""The launch measurement: one claim of each TEE, and nothing that is not what it should be."""

from __future__ import annotations

from typing import Any

import pytest

from app.attestation.claim_dictionary import Direction, find_claim, member_path
from app.attestation.verifiers import _built_in
from app.trust.measurements import LAUNCH_MEASUREMENTS, launch_measurement


@pytest.mark.parametrize("tee", LAUNCH_MEASUREMENTS)
def test_each_is_a_claim_of_its_tee(tee: str) -> None:
    """The dictionary knows it, as something to compare or that was compared."""
    path = ""
    for member in LAUNCH_MEASUREMENTS[tee]:
        path = member_path(path, member)
    claim = find_claim(tee, path)
    assert claim is not None
    assert claim.direction in (Direction.EQUAL, Direction.CHECKED)


def test_only_devices_have_none() -> None:
    """Every TEE that a guest can be started in is looked for by what it was started from."""
    devices = {"hygondcu", "nvidia", "nvidia-dpu", "sampledevice"}
    assert set(_built_in()) - set(LAUNCH_MEASUREMENTS) == devices


@pytest.mark.parametrize(
    "evidence",
    [
        None,
        [],
        {},
        {"nvidia": {"measurements": {}}},
        {"snp": None},
        {"snp": {"measurement": 1}},
        {"snp": {"measurement": ""}},
        {"snp": {"measurement": "a" * 129}},
        {"tdx": {"quote": {"body": "mr_td"}}},
    ],
)
def test_anything_else_is_none(evidence: Any) -> None:
    """A token of someone else's may have anything in its place."""
    assert launch_measurement(evidence) is None


def test_a_nested_one_is_found() -> None:
    """As the claims spell it."""
    assert launch_measurement({"tdx": {"quote": {"body": {"mr_td": "ab"}}}}) == "ab"
