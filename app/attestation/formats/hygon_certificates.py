"""Hygon's certificates: fixed binary structures with SM2 keys and signatures, little endian.

Source: Hygon, "CSV API" and the structures of the csv-rs library. Two forms: the root's (HRK, HSK)
of 832 bytes and a chip's (CEK, PEK) of 2084. No certificate has dates, so none expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.hygon_json import (
    Field,
    Kind,
    encode_fields,
    json_array,
    json_object,
)
from app.attestation.formats.sm2 import SM2Error, SM2PublicKey, SM2Signature, verify_signature
from app.trust.errors import ChainError, MalformedEvidenceError
from app.trust.json_types import JSONValue

AUTHORITY_BYTES: Final = 832
CHIP_BYTES: Final = 2084

# What keys are for, as certificates and signatures name it.
HRK_USAGE: Final = 0
HSK_USAGE: Final = 0x13
PEK_USAGE: Final = 0x1002
CEK_USAGE: Final = 0x1004
SM2_SIGNATURE: Final = 4  # the algorithm id

_SM2_CURVE = 3
_VERSION = 1
_NUMBER_BYTES = 72  # coordinates, r and s; SM2 uses the first 32
_USER_ID_BYTES = 254
_AUTHORITY_SIGNED_BYTES = 0x240
_CHIP_SIGNED_BYTES = 0x414
_SLOTS = 2

_SIGNATURE_FIELDS = (Field("signature.r", _NUMBER_BYTES), Field("signature.s", _NUMBER_BYTES))
_AUTHORITY_FIELDS = (
    Field("body.preamble.ver", 4, Kind.NUMBER),
    Field("body.preamble.data.kid", 16),
    Field("body.preamble.data.sid", 16),
    Field("body.preamble.data.usage", 4, Kind.NUMBER),
    Field("body.preamble.data.reserved", 24),
    Field("body.pubkey.g", 4, Kind.NUMBER),
    Field("body.pubkey.x", _NUMBER_BYTES),
    Field("body.pubkey.y", _NUMBER_BYTES),
    Field("body.uid_size", 2, Kind.NUMBER),
    Field("body.user_id", _USER_ID_BYTES),
    Field("body.reserved", 108),
    *_SIGNATURE_FIELDS,
    Field("_reserved", 112),
)
_CHIP_FIELDS = (
    Field("body.ver", 4, Kind.NUMBER),
    Field("body.data.firmware.major", 1, Kind.NUMBER),
    Field("body.data.firmware.minor", 1, Kind.NUMBER),
    Field("body.data.reserved1", 2, Kind.NUMBER),
    Field("body.data.pubkey.usage", 4, Kind.NUMBER),
    Field("body.data.pubkey.algo", 4, Kind.NUMBER),
    Field("body.data.pubkey.key.g", 4, Kind.NUMBER),
    Field("body.data.pubkey.key.x", _NUMBER_BYTES),
    Field("body.data.pubkey.key.y", _NUMBER_BYTES),
    Field("body.data.uid_size", 2, Kind.NUMBER),
    Field("body.data.user_id", _USER_ID_BYTES),
    Field("body.data.sid", 16),
    Field("body.data.reserved2", 608),
)
_SLOT_FIELDS = (
    Field("usage", 4, Kind.NUMBER),
    Field("algo", 4, Kind.NUMBER),
    *_SIGNATURE_FIELDS,
    Field("_reserved", 368),
)


@dataclass(frozen=True, slots=True)
class AuthorityCertificate:
    """A certificate of a Hygon root (HRK) or signing key (HSK).

    Attributes:
        encoded: the 832 bytes.
        key_id: 16 bytes that name its key.
        signing_id: 16 bytes that name the key that signed it.
        usage: what its key is for.
        key: its key.
        signature: by the key that ``signing_id`` names.
    """

    encoded: bytes
    key_id: bytes
    signing_id: bytes
    usage: int
    key: SM2PublicKey
    signature: SM2Signature

    @classmethod
    def parse(cls, data: bytes) -> AuthorityCertificate:
        """Read the 832 bytes.

        Raises:
            MalformedEvidenceError: they are no certificate of this form.
        """
        reader = _open(data, AUTHORITY_BYTES, "a certificate of Hygon's authority")
        key_id, signing_id, usage = reader.take(16), reader.take(16), reader.integer(4)
        reader.take(24)
        key = _key(reader)
        reader.take(108)
        return cls(data, key_id, signing_id, usage, key, read_signature(reader))

    def check_signed_by(self, issuer: AuthorityCertificate) -> None:
        """The issuer's key is the one that is named, and signed this.

        Raises:
            ChainError: not so.
        """
        if self.signing_id != issuer.key_id:
            raise ChainError("a Hygon certificate names another issuer")
        _check(issuer.key, self.encoded[:_AUTHORITY_SIGNED_BYTES], self.signature)


@dataclass(frozen=True, slots=True)
class SignatureSlot:
    """One of the two places for a signature in a chip's certificate.

    Attributes:
        usage: what the signing key is for; ``0x1000`` in an empty slot.
        algorithm: ``SM2_SIGNATURE``.
        signature: the signature.
    """

    usage: int
    algorithm: int
    signature: SM2Signature


@dataclass(frozen=True, slots=True)
class ChipCertificate:
    """A certificate of a chip's endorsement key (CEK) or a platform's (PEK).

    Attributes:
        encoded: the 2084 bytes.
        usage: what its key is for.
        key: its key.
        slots: the signatures over it.
    """

    encoded: bytes
    usage: int
    key: SM2PublicKey
    slots: tuple[SignatureSlot, ...]

    @classmethod
    def parse(cls, data: bytes) -> ChipCertificate:
        """Read the 2084 bytes.

        Raises:
            MalformedEvidenceError: they are no certificate of this form.
        """
        reader = _open(data, CHIP_BYTES, "a certificate of a Hygon chip")
        reader.take(4)
        usage, algorithm = reader.integer(4), reader.integer(4)
        if algorithm != SM2_SIGNATURE:
            raise MalformedEvidenceError("a Hygon chip's key is not for SM2 signatures")
        key = _key(reader)
        reader.take(16 + 608)
        slots = []
        for _ in range(_SLOTS):
            slot = SignatureSlot(reader.integer(4), reader.integer(4), read_signature(reader))
            slots.append(slot)
            reader.take(368)
        return cls(data, usage, key, tuple(slots))

    def check_signed_by(self, issuer: AuthorityCertificate | ChipCertificate) -> None:
        """One of the slots is for keys of the issuer's usage, and holds its signature.

        Raises:
            ChainError: not so.
        """
        wanted = (issuer.usage, SM2_SIGNATURE)
        slots = [slot for slot in self.slots if (slot.usage, slot.algorithm) == wanted]
        if not slots:
            raise ChainError("a Hygon certificate has no signature of its issuer")
        _check(issuer.key, self.encoded[:_CHIP_SIGNED_BYTES], slots[0].signature)


def encode_authority(unverified_certificate: JSONValue, name: str) -> bytes:
    """The 832 bytes that the JSON of an HSK stands for.

    Raises:
        MalformedEvidenceError: it is not of this shape.
    """
    return encode_fields(unverified_certificate, _AUTHORITY_FIELDS, name)


def encode_chip(unverified_certificate: JSONValue, name: str) -> bytes:
    """The 2084 bytes that the JSON of a CEK or PEK stands for.

    Raises:
        MalformedEvidenceError: it is not of this shape.
    """
    body = encode_fields(unverified_certificate, _CHIP_FIELDS, name)
    slots = json_object(unverified_certificate, name).get("sigs")
    pair = json_array(slots, f"{name}.sigs", range(_SLOTS, _SLOTS + 1))
    return body + b"".join(encode_fields(slot, _SLOT_FIELDS, f"{name}.sigs") for slot in pair)


def read_signature(reader: ByteReader) -> SM2Signature:
    """The next two numbers of 72 bytes, r and s.

    Raises:
        MalformedEvidenceError: fewer bytes are left.
    """
    # All 72 bytes count: were the upper ones ignored, a signature could be written in many ways.
    return SM2Signature(reader.integer(_NUMBER_BYTES), reader.integer(_NUMBER_BYTES))


def _open(data: bytes, size: int, name: str) -> ByteReader:
    if len(data) != size:
        raise MalformedEvidenceError(f"{name} does not have {size} bytes")
    reader = ByteReader(data, name)
    if reader.integer(4) != _VERSION:
        raise MalformedEvidenceError(f"{name} is not of version {_VERSION}")
    return reader


def _key(reader: ByteReader) -> SM2PublicKey:
    """Curve, point and user id."""
    if reader.integer(4) != _SM2_CURVE:
        raise MalformedEvidenceError("a Hygon certificate's key is not on the curve of SM2")
    x, y = reader.integer(_NUMBER_BYTES), reader.integer(_NUMBER_BYTES)
    length, user_id = reader.integer(2), reader.take(_USER_ID_BYTES)
    if length > _USER_ID_BYTES:
        raise MalformedEvidenceError("a Hygon certificate's user id is longer than its field")
    try:
        return SM2PublicKey(x, y, user_id[:length])
    except SM2Error as error:
        raise MalformedEvidenceError("a Hygon certificate's key is no point") from error


def _check(key: SM2PublicKey, message: bytes, signature: SM2Signature) -> None:
    try:
        verify_signature(key, message, signature)
    except SM2Error as error:
        raise ChainError("the signature over a Hygon certificate does not verify") from error
