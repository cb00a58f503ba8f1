"""Hex and lists of registers: one spelling, bounded before it is converted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attestation.formats.snp_report_json import byte_array
from app.attestation.formats.tpm_evidence import hex_bytes, read_pcrs
from app.trust.errors import MalformedEvidenceError


@pytest.mark.parametrize("text", ["f", "ff ", " ff", "f f", "0x", "gg", "é", "ff" * 5, None, 7, []])
def test_what_is_no_hex_is_malformed(text: Any) -> None:
    """White space, odd digits, other types, and more than was asked for."""
    with pytest.raises(MalformedEvidenceError):
        hex_bytes(text, "a PCR", 4)


@given(st.binary(max_size=32))
def test_hex_of_either_case_is_read(data: bytes) -> None:
    """Azure writes capitals, guests do not."""
    assert hex_bytes(data.hex(), "it", 32) == hex_bytes(data.hex().upper(), "it", 32) == data


@pytest.mark.parametrize("count", [0, 25])
def test_a_tpm_has_1_to_24_registers(count: int) -> None:
    """In either encoding."""
    with pytest.raises(MalformedEvidenceError):
        read_pcrs(["00" * 32] * count, hex_bytes)
    with pytest.raises(MalformedEvidenceError):
        read_pcrs([[0] * 32 for _ in range(count)], byte_array)


@pytest.mark.parametrize("pcrs", [None, "00", {}, ["00" * 31], ["00" * 33], [None], [[0] * 32]])
def test_a_register_has_32_bytes(pcrs: Any) -> None:
    """Nothing is padded and nothing is cut."""
    with pytest.raises(MalformedEvidenceError):
        read_pcrs(pcrs, hex_bytes)
