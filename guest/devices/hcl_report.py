"""What an Azure guest reads out of the HCL report that its virtual TPM keeps (guest.md, 3.6).

Source: Microsoft, "Confidential VM guest attestation design". Little endian. Nothing is verified
here; verifiers do that.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from guest.errors import DeviceError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

# NV indices: the report is read from the one, and made anew after the other was written.
REPORT_INDEX = 0x01400001
REPORT_DATA_INDEX = 0x01400002
REPORT_DATA_BYTES = 64
TD_REPORT_BYTES = 1024

_MAGIC = b"HCLA"
_HARDWARE_OFFSET = 0x20
_REQUEST_OFFSET = 0x4C0
_REQUEST = struct.Struct("<IIIII")


class ReportType(IntEnum):
    """The hardware that made the report inside."""

    SNP = 2
    TDX = 4


# Where the report data is: REPORT_DATA of an SNP report, REPORTDATA of a TDREPORT.
_REPORT_DATA_OFFSETS: dict[int, int] = {
    ReportType.SNP: _HARDWARE_OFFSET + 0x50,
    ReportType.TDX: _HARDWARE_OFFSET + 0x80,
}


@dataclass(frozen=True, slots=True)
class HCLReport:
    """A report as it was read.

    Attributes:
        encoded: all bytes of the NV index.
        report_type: the number in it, known or not.
        variable_data: the JSON document that names the virtual TPM's key.
        user_data: what the guest wrote before the report was made; ``None`` on hosts that do not
            take any.
    """

    encoded: bytes
    report_type: int
    variable_data: bytes
    user_data: bytes | None

    @classmethod
    def parse(cls, data: bytes) -> HCLReport:
        """Read a report.

        Raises:
            DeviceError: it is none.
        """
        try:
            _, _, report_type, _, size = _REQUEST.unpack_from(data, _REQUEST_OFFSET)
        except struct.error as error:
            raise DeviceError("the virtual TPM's HCL report is cut off") from error
        if not data.startswith(_MAGIC):
            raise DeviceError("the virtual TPM holds no HCL report")
        start = _REQUEST_OFFSET + _REQUEST.size
        variable = data[start : start + size]
        if len(variable) != size:
            raise DeviceError("the virtual TPM's HCL report is cut off")
        return cls(data, report_type, variable, _user_data(variable))

    @property
    def is_whole(self) -> bool:
        """Whether hardware report and document belong together, and not to two reports."""
        at = _REPORT_DATA_OFFSETS.get(self.report_type)
        digest = hashlib.sha256(self.variable_data).digest()
        return at is not None and hmac.compare_digest(digest, self.encoded[at : at + len(digest)])

    @property
    def td_report(self) -> bytes:
        """The TDREPORT of 1024 bytes that a TDX machine's report holds."""
        return self.encoded[_HARDWARE_OFFSET : _HARDWARE_OFFSET + TD_REPORT_BYTES]


def _user_data(variable: bytes) -> bytes | None:
    try:
        text = parse_json_object(variable).get("user-data")
        return bytes.fromhex(text) if isinstance(text, str) else None
    except (WireError, ValueError) as error:
        raise DeviceError("the virtual TPM's HCL report holds no JSON document") from error
