"""The attestation report of a Hygon CSV guest, versions 1 and 2, little endian.

Source: Hygon, "CSV attestation" and the structures of the csv-rs library. Version 1 stores its
fields XORed with a number of four bytes (``anonce``) over and over; version 2 stores them plainly
and adds runtime measurement registers (RTMRs).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Final

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.hygon_certificates import (
    PEK_USAGE,
    SM2_SIGNATURE,
    ChipCertificate,
    read_signature,
)
from app.attestation.formats.sm2 import SM2Error, SM2Signature, verify_signature
from app.trust.errors import MalformedEvidenceError, SignatureError
from app.trust.json_types import JSONObject

MAGIC_BYTES: Final = 16
DATA_BYTES: Final = 4096

_MAGIC = b"ATTESTATION_EXT\0"
_V1_SIGNED_BYTES = 180
_V1_MASKED_BYTES = 188
_V1_SIGNATURE = 192
_V2_SIGNED_BYTES = 1024
_RTMRS = 5

# Name, first bit and number of bits in the policy.
_POLICY_BITS = (
    ("nodbg", 0, 1),
    ("noks", 1, 1),
    ("es", 2, 1),
    ("nosend", 3, 1),
    ("domain", 4, 1),
    ("csv", 5, 1),
    ("csv3", 6, 1),
    ("asid_reuse", 7, 1),
    ("hsk_version", 8, 4),
    ("cek_version", 12, 4),
    ("api_major", 16, 8),
    ("api_minor", 24, 8),
)


@dataclass(frozen=True, slots=True)
class CSVExtension:
    """What only version 2 has, all of it signed.

    Attributes:
        build: of the firmware.
        rtmr_version: of the registers' form.
        rtmrs: RTMR 0 to 4, 32 bytes each.
        reserved: the two reserved fields, 14 and 656 bytes.
    """

    build: int
    rtmr_version: int
    rtmrs: tuple[bytes, ...]
    reserved: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class CSVReport:
    """A report; its fields are unmasked.

    Attributes:
        signed: the bytes that the signature is over: 180 or 1024.
        signature: by the platform's key (PEK).
        user_pubkey_digest: SM3 of the key of the guest's owner, 32 bytes.
        vm_id: 16 bytes that the host gave the guest.
        vm_version: 16 bytes of the same.
        report_data: 64 bytes of the guest's.
        mnonce: 16 bytes of the guest's.
        measure: launch digest, 32 bytes.
        policy: the guest's policy, 32 bits.
        sig_usage: what the signing key is for.
        sig_algo: its algorithm.
        anonce: the mask, 4 bytes; version 1 only.
        extension: version 2 only.
    """

    signed: bytes
    signature: SM2Signature
    user_pubkey_digest: bytes
    vm_id: bytes
    vm_version: bytes
    report_data: bytes
    mnonce: bytes
    measure: bytes
    policy: int
    sig_usage: int
    sig_algo: int
    anonce: bytes | None
    extension: CSVExtension | None

    @classmethod
    def parse(cls, magic: bytes, flags: int, data: bytes) -> CSVReport:
        """Read the 4096 bytes that the guest's driver hands out.

        Args:
            magic: 16 bytes: zero, or ``ATTESTATION_EXT``.
            flags: 0 for version 1, 1 for version 2.
            data: 4096 bytes; what follows the signature is not looked at.

        Raises:
            MalformedEvidenceError: they are of no known version.
        """
        if len(data) != DATA_BYTES:
            raise MalformedEvidenceError(f"the report does not have {DATA_BYTES} bytes")
        if magic == bytes(MAGIC_BYTES) or (magic, flags) == (_MAGIC, 0):
            return cls._parse_v1(data)
        if (magic, flags) == (_MAGIC, 1):
            return cls._parse_v2(data)
        raise MalformedEvidenceError("the report is of no known version")

    @classmethod
    def _parse_v1(cls, data: bytes) -> CSVReport:
        anonce = data[_V1_MASKED_BYTES:_V1_SIGNATURE]
        plain = bytes(a ^ b for a, b in zip(data[:_V1_MASKED_BYTES], cycle(anonce), strict=False))
        tail = ByteReader(data[_V1_SIGNATURE:], "the report's signature")
        signed, signature = data[:_V1_SIGNED_BYTES], read_signature(tail)
        return cls._from_fields(plain, signed, signature, anonce, None)

    @classmethod
    def _parse_v2(cls, data: bytes) -> CSVReport:
        tail = ByteReader(data[_V1_MASKED_BYTES:], "the report")
        build, rtmr_version, reserved = tail.integer(4), tail.integer(2), tail.take(14)
        rtmrs = tuple(tail.take(32) for _ in range(_RTMRS))
        extension = CSVExtension(build, rtmr_version, rtmrs, (reserved, tail.take(656)))
        signed, signature = data[:_V2_SIGNED_BYTES], read_signature(tail)
        return cls._from_fields(data[:_V1_MASKED_BYTES], signed, signature, None, extension)

    @classmethod
    def _from_fields(
        cls,
        plain: bytes,
        signed: bytes,
        signature: SM2Signature,
        anonce: bytes | None,
        extension: CSVExtension | None,
    ) -> CSVReport:
        """A report from the 188 bytes that both versions have in common."""
        reader = ByteReader(plain, "the report")
        return cls(
            signed=signed,
            signature=signature,
            user_pubkey_digest=reader.take(32),
            vm_id=reader.take(16),
            vm_version=reader.take(16),
            report_data=reader.take(64),
            mnonce=reader.take(16),
            measure=reader.take(32),
            policy=reader.integer(4),
            sig_usage=reader.integer(4),
            sig_algo=reader.integer(4),
            anonce=anonce,
            extension=extension,
        )

    def check_signed_by(self, pek: ChipCertificate) -> None:
        """The report says that a PEK signed it with SM2, and this one did.

        Raises:
            SignatureError: not so.
        """
        if (self.sig_usage, self.sig_algo) != (PEK_USAGE, SM2_SIGNATURE):
            raise SignatureError("the report names another kind of key or signature")
        try:
            verify_signature(pek.key, self.signed, self.signature)
        except SM2Error as error:
            raise SignatureError("the signature over the report does not verify") from error

    def claims(self, serial: str) -> JSONObject:
        """The claims of the report, byte strings as lower-case hex.

        Args:
            serial: of the chip, as the evidence has it.
        """
        claims: JSONObject = {
            "serial_number": serial,
            "policy": {
                name: self.policy >> first & (1 << bits) - 1 for name, first, bits in _POLICY_BITS
            },
            "user_pubkey_digest": self.user_pubkey_digest.hex(),
            "vm_id": self.vm_id.hex(),
            "vm_version": self.vm_version.hex(),
            "report_data": self.report_data.hex(),
            "mnonce": self.mnonce.hex(),
            "measure": self.measure.hex(),
            "sig_usage": self.sig_usage.to_bytes(4, "little").hex(),
            "sig_algo": self.sig_algo.to_bytes(4, "little").hex(),
        }
        return claims | self._version_claims()

    def _version_claims(self) -> JSONObject:
        if self.extension is None:
            return {"version": "1", "anonce": (self.anonce or b"").hex()}
        extension = self.extension
        numbered: JSONObject = {
            **{f"rtmr{index}": value.hex() for index, value in enumerate(extension.rtmrs)},
            **{f"reserved{index}": value.hex() for index, value in enumerate(extension.reserved)},
        }
        return {
            "version": "2",
            "build": extension.build,
            "rtmr_version": extension.rtmr_version,
            **numbered,
        }
