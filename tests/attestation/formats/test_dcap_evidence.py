"""Members of evidence, and the fields that bind a quote to a caller."""

from __future__ import annotations

from typing import Any

import pytest

from app.attestation.formats.dcap_evidence import (
    check_init_data,
    check_report_data,
    decode_member,
    evidence_members,
)
from app.trust.errors import (
    BindingMismatchError,
    InitDataMismatchError,
    MalformedEvidenceError,
)

FIELD = b"expected".ljust(16, b"\x00")


@pytest.mark.parametrize("body", [None, True, 1, "text", ["quote"]])
def test_evidence_is_an_object(body: Any) -> None:
    """Nothing else has members."""
    with pytest.raises(MalformedEvidenceError):
        evidence_members(body)


@pytest.mark.parametrize(
    "value", [None, 1, True, b"AA==", ["AA=="], "AA", "AA=", "AB==", " AA==", "AA==\n", "_-==", "é"]
)
def test_members_are_strict_base64(value: Any) -> None:
    """One text for every byte string."""
    with pytest.raises(MalformedEvidenceError, match="quote"):
        decode_member({"quote": value}, "quote", 10)
    with pytest.raises(MalformedEvidenceError):
        decode_member({}, "quote", 10)


def test_members_are_measured_before_they_are_decoded() -> None:
    """The limit is of bytes, to the next three."""
    assert decode_member({"quote": "AAAA"}, "quote", 3) == bytes(3)
    with pytest.raises(MalformedEvidenceError, match="longer"):
        decode_member({"quote": "AAAAAAAA"}, "quote", 3)


@pytest.mark.parametrize(
    "expected", [b"", b"expecteD", b"expected\x01", b"expected".ljust(17, b"\0")]
)
def test_refuses_other_report_data(expected: bytes) -> None:
    """Neither another value, nor one that would have to be cut."""
    with pytest.raises(BindingMismatchError):
        check_report_data(FIELD, expected)


def test_report_data_is_padded() -> None:
    """Shorter expected data end in zeros; without expectation nothing is compared."""
    for expected in (b"expected", b"expected\x00", FIELD, None):
        check_report_data(FIELD, expected)


def test_init_data_is_padded_or_cut() -> None:
    """Upstream's rule for digests of any length."""
    for expected in (b"expected", FIELD, FIELD + b"more", None):
        check_init_data(FIELD, expected)
    for other in (b"", b"Expected", FIELD[1:]):
        with pytest.raises(InitDataMismatchError):
            check_init_data(FIELD, other)
