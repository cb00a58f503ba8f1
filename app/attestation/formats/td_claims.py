"""A TD quote as claims, in Trustee's spelling: every field as hex of its raw bytes."""

from __future__ import annotations

from app.attestation.formats.dcap_quote import Quote, TDReport, report_claims
from app.trust.json_types import JSONObject

# Bits of TDATTRIBUTES (Intel TDX Module 1.5 ABI, table "TD attributes").
_ATTRIBUTE_BITS = {
    "debug": 0,
    "septve_disable": 28,
    "protection_keys": 30,
    "key_locker": 31,
    "perfmon": 63,
}


def td_claims(quote: Quote[TDReport]) -> JSONObject:
    """``quote``, ``td_attributes``, ``report_data`` and ``init_data``."""
    body = quote.body
    header = report_claims(quote.header)
    # TDX reserves the four bytes where SGX has the versions of QE and PCE.
    header["reserved"] = header.pop("qe_svn") + header.pop("pce_svn")
    content: JSONObject = {"header": header, "body": report_claims(body)}
    if quote.body_descriptor is not None:
        kind, size = quote.body_descriptor
        content |= {"type": kind.hex(), "size": size.hex()}
    attributes = int.from_bytes(body.td_attributes, "little")
    return {
        "quote": content,
        "td_attributes": {
            name: bool(attributes >> bit & 1) for name, bit in _ATTRIBUTE_BITS.items()
        },
        "report_data": body.report_data.hex(),
        "init_data": body.mr_config_id.hex(),
    }
