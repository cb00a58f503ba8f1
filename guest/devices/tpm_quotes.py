"""A quote with the registers it is of, and the public key that signed it."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import dataclass

from guest.devices.tpm import PCR_COUNT, RSA, RSASSA, SHA256, TPM, Quote
from guest.devices.tpm_wire import ResponseReader
from guest.errors import DeviceConflictError, DeviceError

ATTEMPTS = 5

_ATTEST_QUOTE = 0x8018
_MAGIC = 0xFF544347
_NULL = 0x0010
_DEFAULT_EXPONENT = 65537

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuotedRegisters:
    """A quote and the values that its digest is of.

    Attributes:
        quote: as the TPM made it.
        pcrs: PCR 0 to 23 of the SHA-256 bank, 32 bytes each.
    """

    quote: Quote
    pcrs: tuple[bytes, ...]


def quote_registers(tpm: TPM, key: int, extra_data: bytes) -> QuotedRegisters:
    """A quote of all registers of the SHA-256 bank, and their values.

    Raises:
        DeviceConflictError: registers changed between reading and quoting, ``ATTEMPTS`` times.
        DeviceError: the TPM failed.
    """
    for attempt in range(1, ATTEMPTS + 1):
        values = tpm.read_pcrs()
        if len(values) != PCR_COUNT:
            raise DeviceError(f"the TPM has fewer than {PCR_COUNT} registers of SHA-256")
        pcrs = tuple(values[number] for number in range(PCR_COUNT))
        quote = tpm.quote(key, extra_data)
        quoted_data, quoted_digest = _attested(quote.message)
        if quoted_data != extra_data:
            raise DeviceError("the TPM quoted over other bytes than it was asked to")
        digest = hashlib.sha256(b"".join(pcrs)).digest()
        if hmac.compare_digest(quoted_digest, digest):
            return QuotedRegisters(quote, pcrs)
        _log.warning("registers changed while they were quoted, attempt %d", attempt)
    raise DeviceConflictError("others kept extending registers while they were quoted")


def bare_signature(signature: bytes) -> bytes:
    """The signature in a TPMT_SIGNATURE of RSASSA with SHA-256.

    Raises:
        DeviceError: it is another one.
    """
    reader = ResponseReader(signature)
    if (reader.number(2), reader.number(2)) != (RSASSA, SHA256):
        raise DeviceError("the TPM did not sign by RSASSA with SHA-256")
    bare = reader.sized()
    reader.end()
    return bare


def public_key_info(public: bytes) -> bytes:
    """The SubjectPublicKeyInfo in DER of a TPMT_PUBLIC of RSA.

    Raises:
        DeviceError: it is no RSA key.
    """
    # Only whoever speaks to a TPM needs the library.
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    exponent, modulus = _rsa_numbers(public)
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise DeviceError("the TPM's attestation key is no RSA key") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _rsa_numbers(public: bytes) -> tuple[int, int]:
    """Exponent and modulus."""
    reader = ResponseReader(public)
    if reader.number(2) != RSA:
        raise DeviceError("the TPM's attestation key is no RSA key")
    reader.take(2 + 4)  # name algorithm, attributes
    reader.sized()  # policy
    if reader.number(2) != _NULL:
        raise DeviceError("the TPM's key is for encryption, not for attestation")
    if reader.number(2) != _NULL:
        reader.number(2)  # hash of the scheme
    reader.number(2)  # bits
    exponent = reader.number(4) or _DEFAULT_EXPONENT
    return exponent, int.from_bytes(reader.sized(), "big")


def _attested(message: bytes) -> tuple[bytes, bytes]:
    """Extra data and digest in a TPMS_ATTEST (TPM 2.0 Library, part 2, section 10.12)."""
    reader = ResponseReader(message)
    if (reader.number(4), reader.number(2)) != (_MAGIC, _ATTEST_QUOTE):
        raise DeviceError("the TPM made no quote")
    reader.sized()  # qualified signer
    extra_data = reader.sized()
    reader.take(17 + 8)  # clock, firmware version
    for _ in range(min(reader.number(4), 16)):
        reader.number(2)
        reader.take(reader.number(1))
    digest = reader.sized()
    reader.end()
    return extra_data, digest
