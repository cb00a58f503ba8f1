"""Quotes as bytes: which are taken, and what is in them."""

from __future__ import annotations

import pytest
from paths import VECTORS
from simulated.dcap_site import REPORT_DATA, flipped, machine

from app.attestation.formats.dcap_quote import (
    MAX_QUOTE_BYTES,
    parse_sgx_quote,
    parse_td_quote,
    report_claims,
)
from app.lab.tdx import SimulatedTD
from app.trust.errors import MalformedEvidenceError

TD_10 = machine().quote(REPORT_DATA)
TD_15 = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn2=bytes(16)))
ENCLAVE = machine().sgx_quote(REPORT_DATA)


def patched(quote: bytes, at: int, data: bytes) -> bytes:
    """The quote with other bytes at an offset."""
    return quote[:at] + data + quote[at + len(data) :]


REFUSED = {
    "nothing": b"",
    "an SGX quote": ENCLAVE,
    "version 3 of TDX": patched(TD_10, 0, b"\x03"),
    "version 6": patched(TD_10, 0, b"\x06"),
    "an SGX body in version 4": patched(TD_10, 4, bytes(4)),
    "a key on P-384": patched(TD_10, 2, b"\x03"),
    "a body of type 1": patched(TD_15, 48, b"\x01\x00"),
    "a body of type 4": patched(TD_15, 48, b"\x04\x00"),
    "a body of the other size": patched(TD_15, 50, (584).to_bytes(4, "little")),
    "a signature section that is too long": patched(TD_10, 632, b"\xff\xff\xff\xff"),
    "a signature section that is empty": patched(TD_10, 632, bytes(4)),
    "certification data of another type": patched(TD_10, 764, b"\x05\x00"),
    "a PCK id in the place of a chain": patched(TD_10, TD_10.index(b"-----BEGIN") - 6, b"\x01"),
    "too many bytes": TD_10.ljust(MAX_QUOTE_BYTES + 1, b"\x00"),
}


@pytest.mark.parametrize("quote", REFUSED.values(), ids=REFUSED)
def test_refuses_what_is_no_td_quote(quote: bytes) -> None:
    """Versions, types and sizes are those of the specification, or the quote is malformed."""
    with pytest.raises(MalformedEvidenceError):
        parse_td_quote(quote)


@pytest.mark.parametrize(
    "quote", [b"", TD_10, TD_15, patched(ENCLAVE, 0, b"\x04"), patched(ENCLAVE, 4, b"\x81")]
)
def test_refuses_what_is_no_sgx_quote(quote: bytes) -> None:
    """SGX has one version."""
    with pytest.raises(MalformedEvidenceError):
        parse_sgx_quote(quote)


@pytest.mark.parametrize(
    ("name", "version", "body", "trailing"),
    [
        ("tdx/tdx_quote_4.dat", 4, 584, 0),
        ("tdx/tdx_quote_5.dat", 5, 648, 0),
        ("tdx/tdx_quote_6.dat", 4, 584, 70),
    ],
)
def test_parses_genuine_td_quotes(name: str, version: int, body: int, trailing: int) -> None:
    """Header, body and signature section fill the quote, but for padding."""
    data = (VECTORS / name).read_bytes()
    quote = parse_td_quote(data)
    assert quote.header.version == version.to_bytes(2, "little")
    assert len(quote.signed) == 48 + (6 if version == 5 else 0) + body
    assert (quote.body.tee_tcb_svn2 is not None) == (version == 5)
    assert quote.signature.unverified_pck_chain.count(b"BEGIN CERTIFICATE") == 3
    end = data.index(quote.signature.unverified_pck_chain) + len(
        quote.signature.unverified_pck_chain
    )
    assert abs(len(data) - end - trailing) <= 1


def test_parses_a_genuine_sgx_quote() -> None:
    """The fields stand where the specification says."""
    quote = parse_sgx_quote((VECTORS / "sgx" / "occlum_quote.dat").read_bytes())
    assert quote.body.report_data == b"test".ljust(64, b"\x00")
    assert len(quote.signed) == 432
    assert len(quote.signature.qe_auth_data) == 32


def test_claims_of_a_report_are_hex_of_the_fields_that_are_there() -> None:
    """A TD report of TDX 1.0 has 15 fields, one of 1.5 has 17."""
    short, long = (report_claims(parse_td_quote(each).body) for each in (TD_10, TD_15))
    assert (len(short), len(long)) == (15, 17)
    assert long.items() >= short.items() - {("tcb_svn", short["tcb_svn"])}
    assert short["report_data"] == REPORT_DATA.hex().ljust(128, "0")


def test_what_follows_the_signature_section_is_ignored() -> None:
    """Several platforms pad their quotes."""
    assert parse_td_quote(TD_10 + b"\x01" * 3000) == parse_td_quote(TD_10)
    assert parse_td_quote(flipped(TD_10 + b"\x01", len(TD_10))) == parse_td_quote(TD_10)
