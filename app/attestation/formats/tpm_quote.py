"""A TPM 2.0 quote: TPMS_ATTEST, its signature, and the registers (PCRs) that it covers.

Source: Trusted Computing Group, "TPM 2.0 Library", part 2: TPMS_ATTEST (10.12), TPML_PCR_SELECTION
(10.9), TPMT_SIGNATURE (11.3). Integers are big endian.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import (
    InitDataMismatchError,
    MalformedEvidenceError,
    RegisterMismatchError,
    SignatureError,
)
from app.trust.json_types import JSONObject

# The largest TPMS_ATTEST of a quote has below 400 bytes, a signature by RSA-4096 has 512.
MAX_MESSAGE_BYTES = 1024
MAX_SIGNATURE_BYTES = 520
MAX_PCRS = 24
PCR_BYTES = 32
INIT_DATA_PCR = 8

_MAGIC = 0xFF544347
_QUOTE = 0x8018
_SHA256 = 0x000B
_RSASSA = 0x0014
_MAX_BANKS = 16
# TPM2B_NAME: an algorithm and a digest; TPM2B_DATA: the size of TPMT_HA, which is the same.
_MAX_NAME_BYTES = 66
_KEY_BITS = range(2048, 4097)
_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class Selection:
    """Registers of one bank.

    Attributes:
        algorithm: TPM_ALG_ID of the bank's hash.
        bits: bit n stands for PCR n.
    """

    algorithm: int
    bits: int


@dataclass(frozen=True, slots=True)
class TPMQuote:
    """A quote whose bytes are well formed; unverified until its signature is checked.

    Attributes:
        encoded: the whole TPMS_ATTEST, which is what is signed.
        extra_data: what the caller of the TPM had it sign along, 0 to 66 bytes.
        selections: the registers that the digest is of.
        pcr_digest: over their values.
    """

    encoded: bytes
    extra_data: bytes
    selections: tuple[Selection, ...]
    pcr_digest: bytes

    @classmethod
    def parse(cls, data: bytes) -> TPMQuote:
        """Read a TPMS_ATTEST, to its last byte.

        Raises:
            MalformedEvidenceError: it is truncated or too long, not made by a TPM (magic), or not a
                quote (type).
        """
        reader = ByteReader(data, "the TPM quote")
        if _integer(reader, 4) != _MAGIC:
            raise MalformedEvidenceError("the TPM quote does not begin with the TPM's magic")
        if _integer(reader, 2) != _QUOTE:
            raise MalformedEvidenceError("the TPM attests to something else than a quote")
        _sized(reader, _MAX_NAME_BYTES)  # the signer's qualified name
        extra_data = _sized(reader, _MAX_NAME_BYTES)
        reader.take(16)  # clock, reset count, restart count
        if _integer(reader, 1) > 1:
            raise MalformedEvidenceError("the clock of the TPM quote is neither safe nor unsafe")
        reader.take(8)  # firmware version
        selections = _selections(reader)
        pcr_digest = _sized(reader, _MAX_NAME_BYTES)
        _check_end(reader, "the TPM quote")
        return cls(data, extra_data, selections, pcr_digest)


def parse_rsassa_signature(data: bytes) -> bytes:
    """The bare signature in a TPMT_SIGNATURE of RSASSA with SHA-256.

    Raises:
        MalformedEvidenceError: another scheme or hash, truncated, or too long.
    """
    reader = ByteReader(data, "the TPM signature")
    if (_integer(reader, 2), _integer(reader, 2)) != (_RSASSA, _SHA256):
        raise MalformedEvidenceError("the TPM signature is not of RSASSA with SHA-256")
    signature = _sized(reader, MAX_SIGNATURE_BYTES)
    _check_end(reader, "the TPM signature")
    return signature


def attestation_key(modulus: int, exponent: int) -> rsa.RSAPublicKey:
    """The RSA key that signs quotes.

    Raises:
        MalformedEvidenceError: fewer than 2048 or more than 4096 bits, an even modulus, or another
            exponent than 65537, which is the one that TPMs use.
    """
    is_odd = bool(modulus & 1)
    if modulus.bit_length() not in _KEY_BITS or not is_odd or exponent != _EXPONENT:
        raise MalformedEvidenceError("the attestation key is not RSA of 2048 to 4096 bits")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def check_quote_signature(quote: TPMQuote, signature: bytes, key: rsa.RSAPublicKey) -> None:
    """The key signed the quote: RSASSA-PKCS1-v1_5 with SHA-256.

    Raises:
        SignatureError: it did not.
    """
    try:
        key.verify(signature, quote.encoded, padding.PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise SignatureError("the signature on the TPM quote does not hold") from error


def check_registers(quote: TPMQuote, pcrs: Sequence[bytes]) -> None:
    """The quote is of exactly the registers that are listed: PCR 0 and on, of the SHA-256 bank.

    Without the look at the selection a guest could quote registers that it can reset, and list
    them as ones that it cannot.

    Raises:
        RegisterMismatchError: the selection is of others, or the digest of other values.
    """
    if quote.selections != (Selection(_SHA256, (1 << len(pcrs)) - 1),):
        raise RegisterMismatchError("the TPM quote does not select the PCRs that are listed")
    if not hmac.compare_digest(hashlib.sha256(b"".join(pcrs)).digest(), quote.pcr_digest):
        raise RegisterMismatchError("the TPM quote is of other values of the PCRs")


def check_init_data(pcrs: Sequence[bytes], expected: bytes | None) -> None:
    """PCR 8 was extended once, from zero, with the digest of the init data.

    Raises:
        InitDataMismatchError: it was not, or such a digest does not fit: it has 32 bytes.
    """
    if expected is None:
        return
    if len(expected) != PCR_BYTES:
        raise InitDataMismatchError("a PCR is extended with 32 bytes: init data needs SHA-256")
    if len(pcrs) <= INIT_DATA_PCR:
        raise InitDataMismatchError("the TPM quote does not cover PCR 8, where init data stands")
    extended = hashlib.sha256(bytes(PCR_BYTES) + expected).digest()
    if not hmac.compare_digest(extended, pcrs[INIT_DATA_PCR]):
        raise InitDataMismatchError("PCR 8 was extended with other init data")


def register_claims(pcrs: Sequence[bytes]) -> JSONObject:
    """``pcr00`` and on: hex of the registers."""
    return {f"pcr{number:02}": value.hex() for number, value in enumerate(pcrs)}


def _selections(reader: ByteReader) -> tuple[Selection, ...]:
    count = _integer(reader, 4)
    if count > _MAX_BANKS:
        raise MalformedEvidenceError(f"the TPM quote selects PCRs of {count} banks")
    return tuple(_selection(reader) for _ in range(count))


def _selection(reader: ByteReader) -> Selection:
    algorithm = _integer(reader, 2)
    # The first byte has PCR 0 to 7, PCR 0 in its lowest bit.
    return Selection(algorithm, int.from_bytes(reader.take(_integer(reader, 1)), "little"))


def _sized(reader: ByteReader, limit: int) -> bytes:
    """A TPM2B: its size in two bytes, then its bytes."""
    size = _integer(reader, 2)
    if size > limit:
        raise MalformedEvidenceError(f"a field of the TPM structure has {size} bytes")
    return reader.take(size)


def _integer(reader: ByteReader, size: int) -> int:
    return int.from_bytes(reader.take(size), "big")


def _check_end(reader: ByteReader, name: str) -> None:
    if reader.remaining:
        raise MalformedEvidenceError(f"{reader.remaining} bytes follow {name}")
