"""SEV-SNP reports by ioctl, for kernels without configfs-tsm.

Source: Linux, include/uapi/linux/sev-guest.h; SEV-SNP Firmware ABI (AMD 56860), MSG_REPORT_RSP;
GHCB Specification (AMD 56421), SNP extended guest request.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from guest.clock import Clock
from guest.devices.nodes import Node, Nodes, address_of, opened, read_write_request
from guest.devices.snp_report import REPORT_BYTES
from guest.errors import DeviceError

# struct snp_guest_request_ioctl: message version, addresses of request and response, errors of the
# firmware (low half) and of the host (high half).
_REQUEST = struct.Struct("=B7xQQII")
# struct snp_ext_report_req: user data, VMPL, reserved; address and size of the certificate table.
_EXTENDED = struct.Struct("=64sI28xQI4x")
SNP_GET_EXT_REPORT = read_write_request("S", 2, _REQUEST.size)

_MESSAGE_VERSION = 1
_VMPL = 0
_RESPONSE_BYTES = 4000
# MSG_REPORT_RSP: status, size of the report, 24 reserved bytes, report.
_RESPONSE = struct.Struct("<II24x")

_HOST_INVALID_LENGTH = 1
_HOST_BUSY = 2
# The kernel takes no larger table (SEV_FW_BLOB_MAX_SIZE).
_MAX_TABLE_BYTES = 16 * 1024
_ATTEMPTS = 10
_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """What the firmware and the host gave.

    Attributes:
        report: 1184 bytes.
        certificates: the host's certificate table; ``b""`` for none.
    """

    report: bytes
    certificates: bytes


def extended_report(path: Path, user_data: bytes, nodes: Nodes, clock: Clock) -> ExtendedReport:
    """A report over 64 bytes at VMPL 0, with the host's certificates.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the firmware or the host refused, or answered what their documents do not
            allow.
    """
    with opened(nodes, path) as node:
        for _ in range(_ATTEMPTS):
            found = _try_report(node, user_data)
            if found is not None:
                return found
            clock.wait(_PAUSE)
    raise DeviceError("the host is too busy to make an SNP report")


def _try_report(node: Node, user_data: bytes) -> ExtendedReport | None:
    """A report, or ``None`` while the host is busy."""
    table, response = bytearray(_MAX_TABLE_BYTES), bytearray(_RESPONSE_BYTES)
    extended = bytearray(_EXTENDED.pack(user_data, _VMPL, address_of(table), len(table)))
    argument = bytearray(
        _REQUEST.pack(_MESSAGE_VERSION, address_of(extended), address_of(response), 0, 0)
    )
    try:
        node.ioctl(SNP_GET_EXT_REPORT, argument)
    except OSError:
        # The kernel says in the argument who refused.
        host_error = _REQUEST.unpack(argument)[-1]
        if host_error == _HOST_BUSY:
            return None
        if host_error == _HOST_INVALID_LENGTH:
            raise DeviceError("the host's certificate table is larger than any known") from None
        raise
    return ExtendedReport(_report(response), _table(table))


def _report(response: bytearray) -> bytes:
    status, size = _RESPONSE.unpack_from(response)
    if status != 0:
        raise DeviceError(f"the firmware made no SNP report ({status:#x})")
    if size != REPORT_BYTES:
        raise DeviceError(f"the firmware made an SNP report of {size} bytes")
    return bytes(response[_RESPONSE.size : _RESPONSE.size + size])


def _table(area: bytearray) -> bytes:
    """The certificate table; an area that the host left alone is all zeros."""
    return bytes(area) if any(area) else b""
