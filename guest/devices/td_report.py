"""A TDREPORT by ioctl: what a TD says to others on its machine; here only MRCONFIGID is read.

Source: Linux, include/uapi/linux/tdx-guest.h; Intel TDX Module ABI, TDREPORT_STRUCT.
"""

from __future__ import annotations

from pathlib import Path

from guest.devices.nodes import Nodes, opened, read_write_request
from guest.devices.td_quote import MR_CONFIG_ID_BYTES

REPORT_DATA_BYTES = 64
TD_REPORT_BYTES = 1024
TDX_CMD_GET_REPORT0 = read_write_request("T", 1, REPORT_DATA_BYTES + TD_REPORT_BYTES)

# TDINFO_STRUCT begins at 512; attributes, XFAM and MRTD stand before MRCONFIGID.
_MR_CONFIG_ID = 512 + 8 + 8 + 48


def td_report(path: Path, report_data: bytes, nodes: Nodes) -> bytes:
    """A TDREPORT of 1024 bytes over 64 bytes.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the TDX module refused.
    """
    argument = bytearray(report_data.ljust(REPORT_DATA_BYTES, b"\0") + bytes(TD_REPORT_BYTES))
    with opened(nodes, path) as node:
        node.ioctl(TDX_CMD_GET_REPORT0, argument)
    return bytes(argument[REPORT_DATA_BYTES:])


def mr_config_id(report: bytes) -> bytes:
    """MRCONFIGID, 48 bytes."""
    return report[_MR_CONFIG_ID : _MR_CONFIG_ID + MR_CONFIG_ID_BYTES]
