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
# Profiling by HGS+, by performance counters, by platform telemetry; each gives the TD away.
_PROFILING = 0b111 << 4
_MIGRATABLE = 1 << 29
# Defences that only ever take something from a host: ICSSD and LASS.
_HARMLESS = 1 << 16 | 1 << 27
_NAMED = _PROFILING | _MIGRATABLE | _HARMLESS | sum(1 << bit for bit in _ATTRIBUTE_BITS.values())


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
    return {
        "quote": content,
        "td_attributes": _attribute_claims(body.td_attributes),
        "report_data": body.report_data.hex(),
        "init_data": body.mr_config_id.hex(),
    }


def _attribute_claims(attributes: bytes) -> JSONObject:
    """Five bits always, as Trustee has them; others that matter, or are unknown, when set."""
    bits = int.from_bytes(attributes, "little")
    claims: JSONObject = {name: bool(bits >> bit & 1) for name, bit in _ATTRIBUTE_BITS.items()}
    if bits & _MIGRATABLE:
        claims["migratable"] = True
    if bits & _PROFILING:
        claims["profiling"] = True
    if unknown := bits & ~_NAMED:
        claims["reserved"] = unknown.to_bytes(len(attributes), "little").hex()
    return claims
