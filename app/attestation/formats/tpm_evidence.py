"""Byte strings of TPM evidence in JSON, and the list of registers (PCRs)."""

from __future__ import annotations

from collections.abc import Callable

from app.attestation.formats.tpm_quote import MAX_PCRS, PCR_BYTES
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONValue

# Takes a value, its name for messages, and the largest number of bytes that it may have.
Decoder = Callable[[JSONValue, str, int], bytes]


def hex_bytes(unverified_text: JSONValue, name: str, limit: int) -> bytes:
    """The bytes of a string of hex digits, of either case.

    Raises:
        MalformedEvidenceError: no string, no hex, or longer than the limit.
    """
    text = unverified_text
    if not isinstance(text, str) or len(text) > 2 * limit:
        raise MalformedEvidenceError(f"{name} is not hex of at most {limit} bytes")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedEvidenceError(f"{name} is not hex") from error
    # White space between digits means nothing to Python; here it is no hex.
    if 2 * len(data) != len(text):
        raise MalformedEvidenceError(f"{name} is not hex")
    return data


def read_pcrs(unverified_pcrs: JSONValue, decode: Decoder) -> tuple[bytes, ...]:
    """The values of the registers, PCR 0 first.

    Raises:
        MalformedEvidenceError: no array, none or more than 24, or a value has not 32 bytes.
    """
    pcrs = unverified_pcrs
    if not isinstance(pcrs, list) or not 1 <= len(pcrs) <= MAX_PCRS:
        raise MalformedEvidenceError(f"pcrs is not an array of 1 to {MAX_PCRS} registers")
    values = tuple(decode(value, "a PCR", PCR_BYTES) for value in pcrs)
    if any(len(value) != PCR_BYTES for value in values):
        raise MalformedEvidenceError(f"a PCR has not {PCR_BYTES} bytes")
    return values
