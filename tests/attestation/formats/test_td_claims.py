"""TD quotes as claims: equal to those of an independent implementation."""

from __future__ import annotations

import json

import pytest
from paths import VECTORS

from app.attestation.formats.dcap_certificates import INTEL_ROOTS, verify_chain
from app.attestation.formats.dcap_pck import read_platform
from app.attestation.formats.dcap_quote import parse_td_quote
from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import parse_event_log
from app.attestation.formats.td_claims import td_claims

TDX = VECTORS / "tdx"


@pytest.mark.parametrize("number", [4, 5])
def test_claims_of_genuine_quotes(number: int) -> None:
    """Version 4 with a debug TD, version 5 with a body of TDX 1.5."""
    expected = json.loads((TDX / f"tdx_quote_{number}.claims.json").read_bytes())
    quote = parse_td_quote((TDX / f"tdx_quote_{number}.dat").read_bytes())
    platform = read_platform(verify_chain(quote.signature.unverified_pck_chain, 3, INTEL_ROOTS))
    assert platform.instance_id is not None
    instance = {"platform_instance_id": platform.instance_id[::-1].hex()}
    assert td_claims(quote) | instance == expected


def test_claims_with_a_log_are_trustees() -> None:
    """Trustee's own expectation, of a quote and a log that do not belong together."""
    expected = json.loads((TDX / "parse_tdx_claims_expected.json").read_bytes())
    quote = parse_td_quote((TDX / "tdx_quote_4.dat").read_bytes())
    log = parse_event_log((VECTORS / "eventlog" / "CCEL_data").read_bytes())
    claims = td_claims(quote) | {"uefi_event_logs": event_claims(log)}
    claims["platform_instance_id"] = expected["platform_instance_id"]
    assert claims == expected
