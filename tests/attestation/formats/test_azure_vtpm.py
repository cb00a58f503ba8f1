"""The three versions of Azure's evidence, and how each spells bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated.azure_snp_site import MACHINE, PLAN

from app.attestation.formats.azure_vtpm import (
    AzureEvidence,
    AzureNames,
    azure_bytes,
    evidence_version,
)
from app.attestation.formats.hcl_report import HardwareReport
from app.lab.vtpm import member
from app.trust.errors import MalformedEvidenceError


@pytest.mark.parametrize("version", [None, True, False, 0, -1, 3, 1.0, "1", [], {}])
def test_an_unknown_version_is_malformed(version: Any) -> None:
    """Only its absence means version 0."""
    with pytest.raises(MalformedEvidenceError):
        evidence_version({"version": version})
    assert evidence_version({}) == 0


@given(st.binary(max_size=64))
def test_bytes_are_read_as_they_were_written(data: bytes) -> None:
    """Integers in version 0, base64url with padding in the others."""
    for version in (0, 1, 2):
        members = {"it": member(data, version)} | ({"version": version} if version else {})
        assert azure_bytes(members, "it", 64) == data


@pytest.mark.parametrize(
    "text", ["AA", "AAA", "A===", "AA=", "AB==", "++++", "AA==\n", "====", "é"]
)
def test_one_text_for_every_byte_string(text: str) -> None:
    """Missing or stray padding, stray bits, another alphabet."""
    with pytest.raises(MalformedEvidenceError):
        azure_bytes({"version": 1, "it": text}, "it", 64)


def test_lengths_are_bounded_before_anything_is_converted() -> None:
    """wire.md 14.2 #35: a million integers cost no more than counting them."""
    for members in ({"it": [0] * 1_000_000}, {"version": 1, "it": "A" * 1_000_000}):
        with pytest.raises(MalformedEvidenceError):
            azure_bytes(members, "it", 64)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_all_versions_say_the_same(version: int) -> None:
    """Only the spelling differs."""
    evidence = MACHINE.evidence(PLAN, version)
    old = AzureNames("quote", "report")
    found = AzureEvidence.parse(evidence, HardwareReport.SNP, old)
    assert found.version == version
    assert found.quote.extra_data == PLAN.extra_data
    assert found.pcrs == tuple(PLAN.quoted)
