"""Opaque data: each field once, in its form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.nvidia import opaque

from app.attestation.formats.nvidia_opaque import parse_opaque
from app.trust.errors import MalformedEvidenceError

VERSIONS = {3: b"550", 6: bytes.fromhex("009f009601000000")}


def test_data_that_is_cut_is_malformed() -> None:
    """At every length but between fields, where what is required still has to be there."""
    data = opaque(VERSIONS)
    assert parse_opaque(data) == {"driver_version": "550", "vbios_version": "96.00.9f.00.01"}
    for length in range(len(data)):
        with pytest.raises(MalformedEvidenceError):
            parse_opaque(data[:length])


@settings(max_examples=200)
@given(st.dictionaries(st.integers(1, 40), st.binary(max_size=16), max_size=8))
def test_no_field_breaks_the_reader(fields: dict[int, bytes]) -> None:
    """Of any type and any length."""
    try:
        assert len(parse_opaque(opaque(VERSIONS | fields))) == len(VERSIONS | fields)
    except MalformedEvidenceError as refusal:
        assert refusal.code == "malformed-evidence"  # noqa: PT017 - both outcomes are right
