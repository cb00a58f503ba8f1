"""Quotes of TDs and enclaves, genuine and simulated, and the documents of Intel behind them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote as quoted
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from mutations.leaves import Verify, leaf
from mutations.sweep import Case, Part
from paths import VECTORS
from simulated.dcap_site import (
    CLAIM,
    GENUINE_AT,
    LATER,
    REPORT_DATA,
    genuine_source,
    machine,
    verify_enclave,
    verify_td,
)

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.az_tdx_vtpm import AzureTDXVerifier
from app.attestation.verifiers.sgx import SGXVerifier
from app.attestation.verifiers.tdx import TDXVerifier
from app.lab.intel import NOON, Publication
from app.lab.tdx import SimulatedTD, event_log, registers_of
from app.lab.vtpm import QuotePlan, azure_tdx, registers

_COST = 1.6
_BODIES = {3: (48, 384), 4: (48, 584)}
_BODIES_OF_5 = {2: (54, 584), 3: (54, 648)}
_SIGNATURE, _KEY, _ENCLAVE = 64, 64, 384
_PEM_HEAD = b"-----BEGIN CERTIFICATE-----"
_CHAIN = ("PCK certificate", "PCK authority", "root")


def cases() -> Iterator[Case]:
    """All of them."""
    yield Case("tdx", "genuine, TDX 1.0 in version 4", _COST, _genuine_td)
    yield Case("tdx", "simulated, TDX 1.0 in version 4", _COST, partial(_simulated_td, None))
    svn2 = bytes((5, 0, 2)).ljust(16, b"\x00")
    yield Case("tdx", "simulated, TDX 1.5 in version 5", 2, partial(_simulated_td, svn2))
    yield Case("tdx", "simulated event log", 2, _event_log)
    yield Case("sgx", "genuine, version 3", _COST, _genuine_enclave)
    yield Case("sgx", "simulated, version 3", _COST, _simulated_enclave)
    yield Case("az-tdx-vtpm", "simulated, version 2", _COST, _azure)
    yield Case("tdx", "Intel's documents", 3, _documents)


def _genuine_td() -> list[Part]:
    quote = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
    verifier, source = TDXVerifier(), genuine_source()
    return quote_parts(
        quote, lambda other: verify_td(other, source=source, now=GENUINE_AT, verifier=verifier)
    )


def _simulated_td(svn2: bytes | None) -> list[Part]:
    quote = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn2=svn2))
    return quote_parts(quote, partial(verify_td, binding=Binding(REPORT_DATA)))


def _genuine_enclave() -> list[Part]:
    quote = (VECTORS / "sgx" / "occlum_quote.dat").read_bytes()
    verifier, source = SGXVerifier(), genuine_source()
    how: dict[str, Any] = {"now": LATER, "options": CLAIM, "verifier": verifier}
    return quote_parts(quote, lambda other: verify_enclave(other, source=source, **how))


def _simulated_enclave() -> list[Part]:
    quote = machine().sgx_quote(REPORT_DATA)
    return quote_parts(quote, partial(verify_enclave, binding=Binding(REPORT_DATA)))


def quote_parts(quote: bytes, verify: Callable[[bytes], object]) -> list[Part]:
    """The quote, of which all but the PEM text is swept as it is, and its certificates."""
    version = int.from_bytes(quote[:2], "little")
    body_at, body = _BODIES.get(version) or _BODIES_OF_5[int.from_bytes(quote[48:50], "little")]
    size_at = body_at + body
    section = size_at + 4
    report = section + _SIGNATURE + _KEY + (0 if version == 3 else 6)
    auth = report + _ENCLAVE + _SIGNATURE
    pem_size_at = auth + 2 + int.from_bytes(quote[auth : auth + 2], "little") + 2
    end = section + int.from_bytes(quote[size_at:section], "little")
    spans = (range(size_at), range(section, pem_size_at))
    section_head, pem = quote[section:pem_size_at], quote[pem_size_at + 4 : end]
    parts = [Part("quote", quote, verify, spans, end)]
    certificates = [_der(each) for each in x509.load_pem_x509_certificates(pem.rstrip(b"\x00"))]
    for index, name in enumerate(_CHAIN):

        def attempt(other: bytes, index: int = index) -> object:
            chain = [*certificates[:index], other, *certificates[index + 1 :]]
            text = b"".join(_pem(each) for each in chain)
            return verify(quote[:size_at] + _sized(section_head, text, is_nested=version > 3))

        parts.append(Part(name, certificates[index], attempt))
    return parts


def _sized(head: bytes, pem: bytes, *, is_nested: bool) -> bytes:
    """The signature section with another PEM text, and the sizes that go with it."""
    inner = head[_SIGNATURE + _KEY :] + _le(len(pem)) + pem
    if is_nested:
        inner = inner[:2] + _le(len(inner) - 6) + inner[6:]
    return _le(_SIGNATURE + _KEY + len(inner)) + head[: _SIGNATURE + _KEY] + inner


def _event_log() -> list[Part]:
    """Digests are what registers replay; nothing vouches for types and data."""
    events = [(1, 5, b"one"), (2, 5, b"two"), (3, 5, b"three"), (4, 5, b"four"), (4, 5, b"five")]
    log = event_log(events)
    quote = machine().quote(REPORT_DATA, SimulatedTD(rtmrs=registers_of(log)))
    starts = list(_events(log))
    digests = [range(at + 14, at + 62) for at in starts]
    indices = [range(at, at + 4) for at in starts]
    # An empty log is none, so the shortest has a byte; the eight bytes at its end only end it.
    found = Part("event log", log, lambda other: verify_td(quote, log=other or b"\0"))
    return [Part(found.name, log, found.attempt, (*indices, *digests), len(log) - 8)]


def _events(log: bytes) -> Iterator[int]:
    at = 32 + int.from_bytes(log[28:32], "little")
    while log[at : at + 8] != b"\xff" * 8:
        yield at
        at += 66 + int.from_bytes(log[at + 62 : at + 66], "little")


def _azure() -> list[Part]:
    plan = QuotePlan(REPORT_DATA, registers())
    evidence = azure_tdx(machine(), plan)
    verifier = AzureTDXVerifier(machine().intel.roots)

    def verify(body: Any) -> object:
        context = Context(NOON, machine().publication)
        return verifier.verify(
            UnverifiedEvidence("az-tdx-vtpm", body), Binding(REPORT_DATA), context
        )

    return [*_vtpm_parts(evidence, verify), *_td_quote_parts(evidence, verify)]


def _vtpm_parts(evidence: Any, verify: Verify) -> Iterator[Part]:
    for name in ("message", "signature"):
        yield leaf(evidence, ("tpm_quote", name), "hex", verify, name=f"TPM quote, {name}")
    yield leaf(evidence, ("tpm_quote", "pcrs", 8), "hex", verify, name="PCR 8")
    hcl = leaf(evidence, ("hcl_report",), "base64url", verify)
    size = 0x4D4 + int.from_bytes(hcl.data[0x4D0:0x4D4], "little")
    yield Part("HCL report", hcl.data, hcl.attempt, (range(0x4D4, size),), size)


def _td_quote_parts(evidence: Any, verify: Verify) -> list[Part]:
    quote = leaf(evidence, ("td_quote",), "base64url", verify)
    return quote_parts(quote.data, quote.attempt)


def _documents() -> list[Part]:
    """TCB info and identity as they are signed, both revocation lists, and the issuers' chains."""
    quote = machine().quote(REPORT_DATA)
    published = machine().publication

    def attempt(name: str, other: bytes) -> object:
        return verify_td(quote, source=published.replaced(name, other))

    parts = []
    for name, (body, _) in published.documents.items():
        # Of JSON, what is signed is the text of the inner object, and then the signature counts.
        if "sgx" in name or "processor" in name:
            continue
        if not body.startswith(b"{"):
            parts.append(Part(name, body, partial(attempt, name), outage_ok=True))
            continue
        parts.append(Part(name, body, partial(attempt, name), (_inner(body),), outage_ok=True))
        head, signature = body[: _signature(body).start], json.loads(body)["signature"]

        def with_signature(other: bytes, name: str = name, head: bytes = head) -> object:
            return attempt(name, head + other.hex().encode() + b'"}')

        # As bytes: hex in capitals is the same signature.
        raw = bytes.fromhex(signature)
        parts.append(Part(f"{name}, signature", raw, with_signature, outage_ok=True))
    return [*parts, _issuer_chain(quote, published)]


def _inner(body: bytes) -> range:
    """The value of the first member, which is what Intel signs."""
    start = body.index(b":") + 1
    return range(start, body.rindex(b',"signature"'))


def _signature(body: bytes) -> range:
    text = json.loads(body)["signature"].encode()
    start = body.rindex(text)
    return range(start, start + len(text))


def _issuer_chain(quote: bytes, published: Publication) -> Part:
    name, header = "intel/tdx/qe-identity", "sgx-enclave-identity-issuer-chain"
    chain = x509.load_pem_x509_certificates(unquote_to_bytes(published.documents[name][1][header]))
    root = _pem(_der(chain[1]))

    def attempt(other: bytes) -> object:
        headers = {header: quoted((_pem(other) + root).decode())}
        return verify_td(quote, source=published.replaced(name, **headers))

    return Part("TCB signing certificate", _der(chain[0]), attempt, outage_ok=True)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _pem(der: bytes) -> bytes:
    return _PEM_HEAD + b"\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _le(number: int) -> bytes:
    return number.to_bytes(4, "little")
