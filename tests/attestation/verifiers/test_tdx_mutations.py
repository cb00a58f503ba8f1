"""Every signed byte of a quote, one bit at a time: nothing passes, only refusals leave.

Each quote is simulated, so each check runs; one genuine quote goes through the same. The bit that
is flipped moves with the byte: all eight are covered in every field of eight bytes and more.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.dcap_site import (
    GENUINE_AT,
    REPORT_DATA,
    enclave_verifier,
    flipped,
    genuine_source,
    machine,
    refusal,
    td_verifier,
    verify_enclave,
    verify_td,
)

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.tdx import TDXVerifier
from app.lab.intel import NOON
from app.lab.tdx import SimulatedTD

Verify = Callable[[bytes], object]

TD_10 = machine().quote(REPORT_DATA)
TD_15 = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn2=bytes((5, 0, 2)).ljust(16, b"\x00")))
ENCLAVE = machine().sgx_quote(REPORT_DATA)
GENUINE = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
GENUINE_VERIFIER = TDXVerifier()


def verify_genuine(quote: bytes) -> object:
    """The claims of a quote under Intel's root."""
    return verify_td(quote, source=genuine_source(), now=GENUINE_AT, verifier=GENUINE_VERIFIER)


# Name, quote, verification, offset of the body, size of the body, nested certification data.
QUOTES: dict[str, tuple[bytes, Verify, int, int, bool]] = {
    "TDX 1.0 in version 4": (TD_10, verify_td, 48, 584, True),
    "TDX 1.5 in version 5": (TD_15, verify_td, 54, 648, True),
    "SGX in version 3": (ENCLAVE, verify_enclave, 48, 384, False),
    "genuine": (GENUINE, verify_genuine, 48, 584, True),
}


def regions(body_at: int, body: int, *, nested: bool) -> dict[str, tuple[range, set[str]]]:
    """The fields of a quote up to its PCK chain, and the reason codes that their changes have."""
    signature_at = body_at + body + 4
    report_at = signature_at + 128 + (6 if nested else 0)
    auth_at = report_at + 384 + 64
    malformed, signature = "malformed-evidence", "signature-invalid"
    return {
        "version, key type, TEE": (range(8), {malformed}),
        "rest of the header": (range(8, 48), {signature}),
        "body type and size": (range(48, body_at), {malformed}),
        # The module and its signer are looked up before any signature of the quote.
        "body": (range(body_at, body_at + body), {signature, "identity-mismatch"}),
        "quote signature": (range(signature_at, signature_at + 64), {signature}),
        "attestation key": (range(signature_at + 64, signature_at + 128), {signature}),
        "certification type and size": (range(signature_at + 128, report_at), {malformed}),
        "QE report": (range(report_at, report_at + 384), {signature}),
        "QE report signature": (range(report_at + 384, auth_at), {signature}),
        "size of auth data": (range(auth_at, auth_at + 2), {malformed}),
        "auth data": (range(auth_at + 2, auth_at + 34), {signature}),
    }


@pytest.mark.parametrize("name", QUOTES)
def test_no_signed_byte_can_change(name: str) -> None:
    """Each field has its own reason codes, and no change of any byte is accepted."""
    quote, verify, body_at, body, nested = QUOTES[name]
    assert refusal(lambda: verify(quote)) == "accepted"
    for field, (places, codes) in regions(body_at, body, nested=nested).items():
        found = Counter(refusal(lambda at=at: verify(flipped(quote, at, at % 8))) for at in places)
        assert set(found) <= codes, f"{field}: {found}"


def test_only_the_module_of_a_td_is_judged_before_signatures() -> None:
    """Of the 584 bytes of a TD report, 57 are looked up in the TCB info."""
    found = Counter(
        refusal(lambda at=at: verify_td(flipped(TD_10, at, at % 8))) for at in range(48, 632)
    )
    assert found == {"signature-invalid": 527, "identity-mismatch": 57}


@pytest.mark.parametrize("name", QUOTES)
def test_a_truncated_quote_is_malformed(name: str) -> None:
    """At every length below the end of its signature section."""
    quote, verify, body_at, body, _ = QUOTES[name]
    size_at = body_at + body
    end = size_at + 4 + int.from_bytes(quote[size_at : size_at + 4], "little")
    found = {refusal(lambda length=length: verify(quote[:length])) for length in range(end)}
    assert found == {"malformed-evidence"}
    assert refusal(lambda: verify(quote[:end])) == "accepted"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_changed_pck_chain_is_refused_or_means_the_same() -> None:
    """Any bit of its text: what still verifies is the same three certificates."""
    chain_at = TD_10.index(b"-----BEGIN")
    genuine = verify_td(TD_10)
    found: Counter[str] = Counter()
    for at in range(chain_at, len(TD_10), 2):
        changed = flipped(TD_10, at, at % 8)
        code = refusal(lambda changed=changed: verify_td(changed))
        found[code] += 1
        if code == "accepted":
            assert verify_td(changed) == genuine
    assert set(found) <= {"accepted", "malformed-evidence", "chain-invalid", "root-untrusted"}
    # Line breaks, and what follows the last certificate.
    assert found["accepted"] < 60


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=1200))
def test_noise_is_malformed(noise: bytes) -> None:
    """Random bytes, and random bytes behind a genuine beginning, end in the same reason code."""
    for verify, quote in ((verify_td, TD_10), (verify_enclave, ENCLAVE)):
        assert refusal(lambda verify=verify: verify(noise)) == "malformed-evidence"
        mixed = quote[: 48 + len(noise) // 2] + noise
        code = refusal(lambda verify=verify, mixed=mixed: verify(mixed))
        assert code in {"malformed-evidence", "signature-invalid"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(JSON, JSON)
def test_no_json_escapes(body: Any, log: Any) -> None:
    """Whatever stands in the place of evidence or of a log, only reasons leave."""
    context = Context(NOON, machine().publication)
    quoted = base64.b64encode(TD_10).decode()
    for verifier in (td_verifier(), enclave_verifier()):
        for each in (body, {"quote": body}, {"quote": quoted, "cc_eventlog": log}):
            evidence = UnverifiedEvidence(verifier.tee, each)
            code = refusal(lambda v=verifier, e=evidence: v.verify(e, Binding(None), context))
            assert code in {"malformed-evidence", "accepted", "event-log-mismatch"}
