"""TPM structures parse to their last byte, or are refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.dcap_site import refusal

from app.attestation.formats.tpm_quote import (
    Selection,
    TPMQuote,
    attestation_key,
    check_init_data,
    check_quote_signature,
    check_registers,
    parse_rsassa_signature,
    register_claims,
)
from app.lab.vtpm import QuotePlan, ak, registers, sign
from app.trust.errors import (
    InitDataMismatchError,
    MalformedEvidenceError,
    RegisterMismatchError,
    SignatureError,
)

GENUINE = (VECTORS / "az-snp-vtpm" / "tpm-quote.msg").read_bytes()
NUMBERS = ak().public_key().public_numbers()
KEY = attestation_key(NUMBERS.n, NUMBERS.e)


def test_a_genuine_quote_with_a_gap_is_no_list_of_registers() -> None:
    """wire.md 14.2 #36: it selects PCR 0 to 7 and 14, so PCR 14 would pass for PCR 8."""
    quote = TPMQuote.parse(GENUINE)
    assert quote.encoded == GENUINE
    assert quote.selections == (Selection(0x0B, 0x40FF),)
    assert len(quote.pcr_digest) == 32
    with pytest.raises(RegisterMismatchError, match="select"):
        check_registers(quote, registers()[:9])


@pytest.mark.parametrize("length", range(0, len(GENUINE), 3))
def test_a_truncated_quote_is_malformed(length: int) -> None:
    """At every third length."""
    with pytest.raises(MalformedEvidenceError):
        TPMQuote.parse(GENUINE[:length])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(GENUINE)))
def test_noise_is_refused(noise: bytes, kept: int) -> None:
    """Behind any part of a genuine quote, and in the place of a signature."""
    mixed = GENUINE[:kept] + noise
    assert refusal(lambda: TPMQuote.parse(mixed)) in {"malformed-evidence", "accepted"}
    assert refusal(lambda: parse_rsassa_signature(mixed)) == "malformed-evidence"


KEYS = {
    "nothing": (0, 65537),
    "below 2048 bits": (NUMBERS.n >> 1, 65537),
    "above 4096 bits": (NUMBERS.n << 2049, 65537),
    "exponent 3": (NUMBERS.n, 3),
    "exponent 0": (NUMBERS.n, 0),
    "an even modulus": (NUMBERS.n - 1, 65537),
}


@pytest.mark.parametrize(("modulus", "exponent"), KEYS.values(), ids=KEYS)
def test_keys_that_no_tpm_has_prove_nothing(modulus: int, exponent: int) -> None:
    """Most are refused as keys; what is left verifies no signature."""
    message = QuotePlan(b"").message()

    def use() -> None:
        key = attestation_key(modulus, exponent)
        check_quote_signature(TPMQuote.parse(message), sign(message), key)

    assert refusal(use) in {"malformed-evidence", "signature-invalid"}


@pytest.mark.parametrize("signature", [b"", bytes(256), bytes(255), bytes(257), b"\xff" * 256])
def test_signatures_of_any_length_are_refused_alike(signature: bytes) -> None:
    """The library's own errors do not escape."""
    with pytest.raises(SignatureError):
        check_quote_signature(TPMQuote.parse(QuotePlan(b"").message()), signature, KEY)


@pytest.mark.parametrize("count", [1, 8, 9, 12, 23, 24])
def test_registers_from_0_on_are_accepted(count: int) -> None:
    """As many as were quoted; one more or one fewer is not what was."""
    pcrs = registers()[:count]
    quote = TPMQuote.parse(QuotePlan(b"", pcrs).message())
    check_registers(quote, pcrs)
    for others in (pcrs[:-1], [*pcrs, bytes(32)], [*pcrs[:-1], bytes([7]) * 32]):
        with pytest.raises(RegisterMismatchError):
            check_registers(quote, others)


def test_a_longer_bitmap_of_zeros_selects_the_same() -> None:
    """The size of the bitmap depends on the TPM, not on the selection."""
    pcrs = registers()[:8]
    for bitmap in (b"\xff", b"\xff\0\0", b"\xff\0\0\0"):
        quote = TPMQuote.parse(QuotePlan(b"", pcrs, [(0x0B, bitmap)]).message())
        check_registers(quote, pcrs)


def test_init_data_is_extended_once_from_zero() -> None:
    """Twice, or after something else, is another register."""
    digest = hashlib.sha256(b"init data").digest()
    pcrs = registers(digest)
    check_init_data(pcrs, digest)
    check_init_data(pcrs, None)
    twice = hashlib.sha256(pcrs[8] + digest).digest()
    for wrong in (digest, twice, bytes(32)):
        with pytest.raises(InitDataMismatchError):
            check_init_data([*pcrs[:8], wrong], digest)


def test_registers_are_named_by_two_digits() -> None:
    """As policies expect them."""
    assert list(register_claims(registers()))[8:11] == ["pcr08", "pcr09", "pcr10"]
