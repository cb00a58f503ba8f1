"""The HCL report of Azure confidential virtual machines, and what ties its keys to the hardware.

Source: Microsoft, "Confidential VM guest attestation design", section "Attestation report". The
virtual TPM's firmware stores it in the TPM when the machine boots: a hardware report, and a JSON
document (variable data) whose digest the hardware report carries. That document names the TPM's
attestation key. Integers are little endian.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric import rsa

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.tpm_evidence import hex_bytes
from app.attestation.formats.tpm_quote import attestation_key
from app.trust.errors import (
    BindingMismatchError,
    MalformedEvidenceError,
    UntrustedAttestationKeyError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

MAX_HCL_BYTES = 16 * 1024
HARDWARE_REPORT_BYTES = 1184

_MAGIC = b"HCLA"
_VERSIONS = (1, 2)
_DATA_OFFSET = 0x4C0
_DATA_HEADER_BYTES = 20
_SHA256 = 1
_AK_NAME = "HCLAkPub"
_MAX_NUMBER_CHARACTERS = 1024


class HardwareReport(IntEnum):
    """What kind of report the hardware made."""

    SNP = 2
    TDX = 4


@dataclass(frozen=True, slots=True)
class HCLReport:
    """A report whose bytes are well formed. It has no signature: the hardware report vouches.

    Attributes:
        hardware_report: 1184 bytes: an SNP report, or a TDREPORT and zeros.
        unverified_data: the JSON document; read it after ``check_bound`` only.
    """

    hardware_report: bytes
    unverified_data: bytes

    @classmethod
    def parse(cls, data: bytes, kind: HardwareReport) -> HCLReport:
        """Read the report; zeros may follow it, because it is read from an area of fixed size.

        Raises:
            MalformedEvidenceError: truncated, sizes that contradict each other, something else
                behind it, an unknown version, another kind of hardware, or another hash than
                SHA-256.
        """
        reader = ByteReader(data, "the HCL report")
        magic, version, size = reader.take(4), reader.integer(4), reader.integer(4)
        if magic != _MAGIC or version not in _VERSIONS:
            raise MalformedEvidenceError("not an HCL report of version 1 or 2")
        reader.take(20)  # request type, status, reserved
        hardware_report = reader.take(HARDWARE_REPORT_BYTES)
        data_size = reader.integer(4)
        reader.take(4)  # version of the data
        if reader.integer(4) != kind:
            raise MalformedEvidenceError(f"the HCL report does not hold a report of {kind.name}")
        if reader.integer(4) != _SHA256:
            raise MalformedEvidenceError("the HCL report does not use SHA-256")
        variable = reader.take(reader.integer(4))
        if data_size != _DATA_HEADER_BYTES + len(variable) or size != _DATA_OFFSET + data_size:
            raise MalformedEvidenceError("the sizes in the HCL report contradict each other")
        if any(reader.take(reader.remaining)):
            raise MalformedEvidenceError("something follows the HCL report")
        return cls(hardware_report, variable)

    def check_bound(self, report_data: bytes) -> None:
        """The hardware's report data begins with the digest of the variable data.

        Args:
            report_data: 64 bytes, of the report or quote that the hardware signed.

        Raises:
            UntrustedAttestationKeyError: it does not, so nothing vouches for the keys in the data.
        """
        digest = hashlib.sha256(self.unverified_data).digest()
        if not hmac.compare_digest(digest, report_data[: len(digest)]):
            raise UntrustedAttestationKeyError(
                "the hardware report is not bound to the keys of the virtual TPM"
            )


@dataclass(frozen=True, slots=True)
class VariableData:
    """What the JSON document says.

    Attributes:
        key: the TPM's attestation key.
        unverified_user_data: hex of what the guest wrote into the TPM before the report was made;
            ``None`` on older hosts.
    """

    key: rsa.RSAPublicKey
    unverified_user_data: JSONValue

    @classmethod
    def parse(cls, data: bytes) -> VariableData:
        """Read the document.

        Raises:
            MalformedEvidenceError: no JSON object, or without exactly one RSA key named HCLAkPub.
        """
        try:
            members = parse_json_object(data)
        except WireError as error:
            raise MalformedEvidenceError("the variable data is not a JSON object") from error
        return cls(_attestation_key(members.get("keys")), members.get("user-data"))

    def check_user_data(self, expected: bytes) -> None:
        """The user data begins with the expected report data.

        Raises:
            MalformedEvidenceError: it is missing or no hex.
            BindingMismatchError: it is shorter, or begins with something else.
        """
        found = hex_bytes(self.unverified_user_data, "user-data", MAX_HCL_BYTES)
        if len(found) < len(expected) or not hmac.compare_digest(found[: len(expected)], expected):
            raise BindingMismatchError("the HCL report was made for other user data")


def _attestation_key(keys: JSONValue) -> rsa.RSAPublicKey:
    named = [key for key in keys if _is_named(key)] if isinstance(keys, list) else []
    if len(named) != 1 or not isinstance(named[0], dict):
        raise MalformedEvidenceError(f"the variable data has {len(named)} keys named {_AK_NAME}")
    key = named[0]
    if key.get("kty") != "RSA":
        raise MalformedEvidenceError(f"{_AK_NAME} is not an RSA key")
    return attestation_key(_number(key, "n"), _number(key, "e"))


def _is_named(key: JSONValue) -> bool:
    return isinstance(key, dict) and key.get("kid") == _AK_NAME


def _number(key: JSONObject, name: str) -> int:
    text = key.get(name)
    if not isinstance(text, str) or len(text) > _MAX_NUMBER_CHARACTERS:
        raise MalformedEvidenceError(f"{name} of {_AK_NAME} is not a number in base64url")
    try:
        return int.from_bytes(b64url_decode(text), "big")
    except WireError as error:
        raise MalformedEvidenceError(f"{name} of {_AK_NAME} is not base64url") from error
