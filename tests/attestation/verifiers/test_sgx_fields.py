"""Every field of an enclave report is a claim as it is, and none can change."""

from __future__ import annotations

from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import (
    REPORT_DATA,
    flipped,
    machine,
    refusal,
    verify_enclave,
)

from app.attestation.formats.dcap_quote import parse_sgx_quote
from app.attestation.verifiers.sgx import _enclave_claims

# Offset and size of every field of the body, and what the claims call it (evidence.md, 5.1).
FIELDS = {
    "cpu_svn": (0, 16),
    "misc_select": (16, 4),
    "reserved1": (20, 12),
    "isv_ext_prod_id": (32, 16),
    "attributes.flags": (48, 8),
    "attributes.xfrm": (56, 8),
    "mr_enclave": (64, 32),
    "reserved2": (96, 32),
    "mr_signer": (128, 32),
    "reserved3": (160, 32),
    "config_id": (192, 64),
    "isv_prod_id": (256, 2),
    "isv_svn": (258, 2),
    "config_svn": (260, 2),
    "reserved4": (262, 42),
    "isv_family_id": (304, 16),
    "report_data": (320, 64),
}
HEADER = {
    "version": (0, 2),
    "att_key_type": (2, 2),
    "att_key_data_0": (4, 4),
    "qe_svn": (8, 2),
    "pce_svn": (10, 2),
    "vendor_id": (12, 16),
    "user_data": (28, 20),
}
QUOTE = machine().sgx_quote(REPORT_DATA)
GENUINE = (VECTORS / "sgx" / "occlum_quote.dat").read_bytes()
BODY = 48


@pytest.mark.parametrize("quote", [QUOTE, GENUINE], ids=["simulated", "genuine"])
def test_every_field_is_a_claim(quote: bytes) -> None:
    """By its place in the quote, all of them and no others."""
    claims: Any = _enclave_claims(parse_sgx_quote(quote))
    assert claims["header"] == {
        name: quote[at : at + size].hex() for name, (at, size) in HEADER.items()
    }
    assert claims["body"] == {
        name: quote[BODY + at : BODY + at + size].hex() for name, (at, size) in FIELDS.items()
    }
    assert sum(size for _, size in FIELDS.values()) == 384


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_can_change(name: str) -> None:
    """Reserved ones are signed like the others."""
    at, size = FIELDS[name]
    for place in (at, at + size - 1):
        changed = flipped(QUOTE, BODY + place, place % 8)
        assert refusal(lambda quote=changed: verify_enclave(quote)) == "signature-invalid"


@pytest.mark.parametrize("name", HEADER)
def test_no_field_of_the_header_can_change(name: str) -> None:
    """What says how to read the rest is refused before the signature is looked at."""
    expected = {
        "version": "malformed-evidence",
        "att_key_type": "malformed-evidence",
        "att_key_data_0": "malformed-evidence",
    }
    at, size = HEADER[name]
    for place in (at, at + size - 1):
        code = refusal(lambda place=place: verify_enclave(flipped(QUOTE, place, place % 8)))
        assert code == expected.get(name, "signature-invalid")
