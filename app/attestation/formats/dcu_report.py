"""The attestation report of a Hygon DCU (deep computing unit, an accelerator), little endian.

Source: the structures of Hygon's csv-rs library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.hygon_certificates import ChipCertificate, read_signature
from app.attestation.formats.hygon_json import Field, Kind, encode_fields
from app.attestation.formats.sm2 import SM2Error, SM2Signature, verify_signature
from app.trust.errors import SignatureError
from app.trust.json_types import JSONObject, JSONValue

USER_DATA_BYTES: Final = 64

_BODY_BYTES = 252
_FIELDS = (
    Field("body.version", 4, Kind.NUMBER),
    Field("body.chip_id", 16),
    Field("body.user_data", USER_DATA_BYTES),
    Field("body.measure", 32),
    Field("body.reserved", 128),
    Field("body.sig_usage", 4, Kind.NUMBER),
    Field("body.sig_algo", 4, Kind.NUMBER),
    Field("sig.r", 72),
    Field("sig.s", 72),
)


@dataclass(frozen=True, slots=True)
class DCUReport:
    """A report.

    Attributes:
        signed: the 252 bytes that the signature is over: all that follows but itself.
        version: of the form.
        chip_id: 16 bytes: capitals and digits, then zeros.
        user_data: 64 bytes of the guest's.
        measure: digest of the firmware, 32 bytes.
        reserved: 128 bytes.
        sig_usage: what the signing key is for.
        sig_algo: its algorithm.
        signature: by the chip's endorsement key (CEK).
    """

    signed: bytes
    version: int
    chip_id: bytes
    user_data: bytes
    measure: bytes
    reserved: bytes
    sig_usage: int
    sig_algo: int
    signature: SM2Signature

    @classmethod
    def parse(cls, unverified_report: JSONValue) -> DCUReport:
        """Read a report's JSON.

        Raises:
            MalformedEvidenceError: a member is missing, or of a wrong type, range or length.
        """
        data = encode_fields(unverified_report, _FIELDS, "attestation_reports")
        reader = ByteReader(data, "the report")
        return cls(
            signed=data[:_BODY_BYTES],
            version=reader.integer(4),
            chip_id=reader.take(16),
            user_data=reader.take(USER_DATA_BYTES),
            measure=reader.take(32),
            reserved=reader.take(128),
            sig_usage=reader.integer(4),
            sig_algo=reader.integer(4),
            signature=read_signature(reader),
        )

    def check_signed_by(self, cek: ChipCertificate) -> None:
        """The chip's endorsement key signed this.

        Raises:
            SignatureError: not so.
        """
        try:
            verify_signature(cek.key, self.signed, self.signature)
        except SM2Error as error:
            raise SignatureError("the signature over a DCU's report does not verify") from error

    def claims(self) -> JSONObject:
        """The claims of the report, byte strings as lower-case hex."""
        return {
            "body": {
                "version": self.version,
                "chip_id": self.chip_id.hex(),
                "user_data": self.user_data.hex(),
                "measure": self.measure.hex(),
                "reserved": self.reserved.hex(),
                # Trustee writes these two numbers as hex without leading zeros.
                "sig_usage": f"{self.sig_usage:x}",
                "sig_algo": f"{self.sig_algo:x}",
            },
            "report_data": self.user_data.hex(),
        }
