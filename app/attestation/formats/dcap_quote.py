"""DCAP quotes: SGX version 3, TDX versions 4 and 5, as bytes with names.

Layouts: Intel, "SGX ECDSA Quote Library Reference" (appendix A) and "TDX DCAP Quote Generation
Library and Quote Verification" (appendix A.3). Integers are little endian, signatures and keys are
big-endian pairs of 32 bytes. Nothing here is verified.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject

# Real quotes have 4,700 to 8,000 bytes, zero padding of some platforms included.
MAX_QUOTE_BYTES = 16 * 1024
REPORT_DATA_BYTES = 64

_ECDSA_P256 = (2).to_bytes(2, "little")
_SGX = bytes(4)
_TDX = (0x81).to_bytes(4, "little")
_QE_REPORT_CERTIFICATION = 6
_PCK_CHAIN_CERTIFICATION = 5

# Header: version, key type, TEE type, QE SVN and PCE SVN (reserved in TDX), vendor, user data.
_HEADER = struct.Struct("<2s2s4s2s2s16s20s")
_SGX_REPORT = struct.Struct("<16s4s12s16s8s8s32s32s32s32s64s2s2s2s42s16s64s")
_TD_REPORT_10 = struct.Struct("<16s48s48s8s8s8s48s48s48s48s48s48s48s48s64s")
_TD_REPORT_15 = struct.Struct(_TD_REPORT_10.format + "16s48s")
_TD_REPORT_BY_TYPE = {2: _TD_REPORT_10, 3: _TD_REPORT_15}


@dataclass(frozen=True, slots=True)
class QuoteHeader:
    """The 48 bytes that every quote begins with, as raw fields."""

    version: bytes
    att_key_type: bytes
    tee_type: bytes
    qe_svn: bytes
    pce_svn: bytes
    vendor_id: bytes
    user_data: bytes


@dataclass(frozen=True, slots=True)
class SGXReport:
    """An enclave report, 384 bytes: the body of an SGX quote, and the report of every QE."""

    cpu_svn: bytes
    misc_select: bytes
    reserved1: bytes
    isv_ext_prod_id: bytes
    attributes_flags: bytes
    attributes_xfrm: bytes
    mr_enclave: bytes
    reserved2: bytes
    mr_signer: bytes
    reserved3: bytes
    config_id: bytes
    isv_prod_id: bytes
    isv_svn: bytes
    config_svn: bytes
    reserved4: bytes
    isv_family_id: bytes
    report_data: bytes

    @classmethod
    def parse(cls, data: bytes) -> SGXReport:
        """The report in exactly 384 bytes."""
        return cls(*_SGX_REPORT.unpack(data))


@dataclass(frozen=True, slots=True)
class TDReport:
    """A TD report: 584 bytes in TDX 1.0, 648 in TDX 1.5 with its two last fields."""

    tcb_svn: bytes
    mr_seam: bytes
    mrsigner_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmr_0: bytes
    rtmr_1: bytes
    rtmr_2: bytes
    rtmr_3: bytes
    report_data: bytes
    tee_tcb_svn2: bytes | None = None
    mr_servicetd: bytes | None = None

    @property
    def rtmrs(self) -> tuple[bytes, bytes, bytes, bytes]:
        """The four runtime measurement registers, SHA-384 each."""
        return self.rtmr_0, self.rtmr_1, self.rtmr_2, self.rtmr_3


BodyT = TypeVar("BodyT", SGXReport, TDReport)


@dataclass(frozen=True, slots=True)
class QuoteSignature:
    """The signature section.

    Attributes:
        signature: over ``Quote.signed``, by the attestation key, r then s.
        attestation_key: point of the P-256 key, x then y.
        qe_report: report of the quoting enclave that made the key, as it was signed.
        qe_report_signature: over ``qe_report``, by the PCK, r then s.
        qe_auth_data: bound, with the key, by the report data of the quoting enclave.
        unverified_pck_chain: PEM text of three certificates, leaf first.
    """

    signature: bytes
    attestation_key: bytes
    qe_report: bytes
    qe_report_signature: bytes
    qe_auth_data: bytes
    unverified_pck_chain: bytes


@dataclass(frozen=True, slots=True)
class Quote(Generic[BodyT]):
    """A quote whose signature section follows its body.

    Attributes:
        body_descriptor: type and size of the body (2 and 4 bytes), in version 5 only.
        signed: the bytes from the first one to the end of the body.
    """

    header: QuoteHeader
    body: BodyT
    body_descriptor: tuple[bytes, bytes] | None
    signed: bytes
    signature: QuoteSignature


def parse_sgx_quote(data: bytes) -> Quote[SGXReport]:
    """An SGX quote of version 3.

    Raises:
        MalformedEvidenceError: another version or TEE, or the bytes do not add up.
    """
    reader, header = _start(data, {3}, _SGX)
    body = SGXReport.parse(reader.take(_SGX_REPORT.size))
    signed = data[: reader.offset]
    return Quote(header, body, None, signed, _signature_section(reader, nested=False))


def parse_td_quote(data: bytes) -> Quote[TDReport]:
    """A TDX quote of version 4, or of version 5 with a body of TDX 1.0 or 1.5.

    Raises:
        MalformedEvidenceError: another version or TEE, or the bytes do not add up.
    """
    reader, header = _start(data, {4, 5}, _TDX)
    layout, descriptor = _TD_REPORT_10, None
    if header.version == b"\x05\x00":
        descriptor = reader.take(2), reader.take(4)
        layout = _layout_of(*descriptor)
    body = TDReport(*layout.unpack(reader.take(layout.size)))
    signed = data[: reader.offset]
    return Quote(header, body, descriptor, signed, _signature_section(reader, nested=True))


def report_claims(report: SGXReport | TDReport | QuoteHeader) -> JSONObject:
    """Every field that is there, by name, as hex of its raw bytes."""
    values = {each.name: getattr(report, each.name) for each in fields(report)}
    return {name: value.hex() for name, value in values.items() if value is not None}


def _start(data: bytes, versions: set[int], tee: bytes) -> tuple[ByteReader, QuoteHeader]:
    if len(data) > MAX_QUOTE_BYTES:
        raise MalformedEvidenceError(f"the quote is longer than {MAX_QUOTE_BYTES} bytes")
    reader = ByteReader(data, "the quote")
    header = QuoteHeader(*_HEADER.unpack(reader.take(_HEADER.size)))
    version = int.from_bytes(header.version, "little")
    if version not in versions or header.tee_type != tee:
        raise MalformedEvidenceError(
            f"version {version} with TEE type 0x{header.tee_type[::-1].hex()} is not taken here"
        )
    if header.att_key_type != _ECDSA_P256:
        raise MalformedEvidenceError("the attestation key of the quote is not of type ECDSA P-256")
    return reader, header


def _layout_of(body_type: bytes, size: bytes) -> struct.Struct:
    layout = _TD_REPORT_BY_TYPE.get(int.from_bytes(body_type, "little"))
    if layout is None or layout.size != int.from_bytes(size, "little"):
        raise MalformedEvidenceError("the quote has a body of a type or size that is unknown")
    return layout


def _signature_section(reader: ByteReader, *, nested: bool) -> QuoteSignature:
    # What follows the declared section is ignored: several platforms pad quotes with zeros.
    section = ByteReader(reader.take(reader.integer(4)), "the signature section of the quote")
    signature, key = section.take(64), section.take(64)
    if nested:
        section = _certification(section, _QE_REPORT_CERTIFICATION)
    qe_report, qe_report_signature = section.take(_SGX_REPORT.size), section.take(64)
    auth_data = section.take(section.integer(2))
    chain = _certification(section, _PCK_CHAIN_CERTIFICATION)
    return QuoteSignature(
        signature, key, qe_report, qe_report_signature, auth_data, chain.take(chain.remaining)
    )


def _certification(section: ByteReader, wanted: int) -> ByteReader:
    kind = section.integer(2)
    if kind != wanted:
        raise MalformedEvidenceError(
            f"the quote has certification data of type {kind}, where only {wanted} is known"
        )
    return ByteReader(section.take(section.integer(4)), "the certification data of the quote")
