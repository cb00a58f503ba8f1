"""SPDM 1.1 measurements: the request, the signed response, the blocks of its record.

Source: DMTF DSP0274, sections 10.11 (GET_MEASUREMENTS and MEASUREMENTS) and 10.11.1 (blocks). All
integers are little endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import MalformedEvidenceError

NONCE_BYTES = 32
SIGNATURE_BYTES = 96
REQUEST_BYTES = 37

_VERSION = 0x11
_GET_MEASUREMENTS = 0xE0
_MEASUREMENTS = 0x60
_DMTF = 1


@dataclass(frozen=True, slots=True)
class SPDMReport:
    """A request and the response to it.

    Attributes:
        nonce: of the request, 32 bytes: what the caller wanted the answer to be bound to.
        measurements: values by block index, which counts from 1.
        opaque: what the vendor adds.
        signed: request and response up to the signature.
        signature: r then s, 48 bytes each, big endian.
    """

    nonce: bytes
    measurements: Mapping[int, bytes]
    opaque: bytes
    signed: bytes
    signature: bytes


def parse_report(data: bytes) -> SPDMReport:
    """A request followed by its response.

    Raises:
        MalformedEvidenceError: another version or message, a length that does not fit, no
            measurement, or bytes after the signature (but for one NUL).
    """
    reader = ByteReader(data, "the SPDM report")
    _expect(reader, _GET_MEASUREMENTS)
    nonce = reader.take(NONCE_BYTES)
    reader.take(1)  # the slot of the certificate chain, which came with the evidence
    _expect(reader, _MEASUREMENTS)
    blocks = reader.integer(1)
    record = reader.take(reader.integer(3))
    reader.take(NONCE_BYTES)  # the device's own, signed with the rest
    opaque = reader.take(reader.integer(2))
    signed = data[: reader.offset]
    signature = reader.take(SIGNATURE_BYTES)
    # Genuine reports are known that a driver handed out with one NUL behind them; it is not signed,
    # and nothing else is taken there.
    if reader.peek(reader.remaining) not in {b"", b"\0"}:
        raise MalformedEvidenceError(f"{reader.remaining} bytes after the SPDM signature")
    return SPDMReport(nonce, _measurements(record, blocks), opaque, signed, signature)


def _expect(reader: ByteReader, code: int) -> None:
    """The header of a message: version, code and two parameters."""
    version, found = reader.integer(1), reader.integer(1)
    if (version, found) != (_VERSION, code):
        raise MalformedEvidenceError(f"not the SPDM 1.1 message {code:#04x}")
    reader.take(2)


def _measurements(record: bytes, blocks: int) -> Mapping[int, bytes]:
    reader = ByteReader(record, "the SPDM measurement record")
    found: dict[int, bytes] = {}
    while reader.remaining:
        index, specification = reader.integer(1), reader.integer(1)
        if specification != _DMTF or index in found:
            raise MalformedEvidenceError("an SPDM measurement of another form, or one twice")
        size = reader.integer(2)
        reader.take(1)  # what kind of thing was measured
        length = reader.integer(2)
        if length + 3 != size:
            raise MalformedEvidenceError("an SPDM measurement whose lengths differ")
        found[index] = reader.take(length)
    if not found or len(found) != blocks:
        raise MalformedEvidenceError("an SPDM record without the blocks that it counts")
    return MappingProxyType(found)
