"""Reports of Hygon's accelerators (DCU) by ioctl.

Source: the structures of Hygon's csv-rs library; Linux, the topology of kfd. Little endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

from guest.devices.nodes import Node, Nodes, address_of, opened, read_write_request
from guest.errors import DeviceError

USER_DATA_BYTES = 64
REPORT_BYTES = 396
MAX_DEVICES = 64

# Device, version of the message, address and size of request and response, the firmware's error.
_ARGUMENT = struct.Struct("<IIQQQQQ")
MKFD_GET_REPORT = read_write_request("M", 0x17, _ARGUMENT.size)

_VERSION = 1
_PAGE_BYTES = 4096
# The response: size of the report, 28 reserved bytes, report.
_RESPONSE = struct.Struct("<I28x")


def device_ids(nodes_folder: Path) -> list[int]:
    """The ids of the accelerators in the topology; processors have the id 0.

    Raises:
        DeviceError: the topology cannot be read.
    """
    try:
        folders = sorted(nodes_folder.iterdir())[: MAX_DEVICES + 1]
        if len(folders) > MAX_DEVICES:
            raise DeviceError(f"the topology has more than {MAX_DEVICES} nodes")
        ids = [int((folder / "gpu_id").read_text("ascii")) for folder in folders]
    except (OSError, ValueError) as error:
        raise DeviceError("the topology of accelerators cannot be read") from error
    return [each for each in ids if each]


def dcu_reports(path: Path, ids: list[int], user_data: bytes, nodes: Nodes) -> list[bytes]:
    """A report of 396 bytes of each accelerator, over 64 bytes.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: an accelerator refused.
    """
    with opened(nodes, path) as node:
        return [_report(node, each, user_data) for each in ids]


def _report(node: Node, device_id: int, user_data: bytes) -> bytes:
    request = bytearray(user_data.ljust(_PAGE_BYTES, b"\0"))
    response = bytearray(_PAGE_BYTES)
    argument = bytearray(
        _ARGUMENT.pack(
            device_id, _VERSION,
            address_of(request), len(request), address_of(response), len(response), 0,
        )
    )  # fmt: skip
    node.ioctl(MKFD_GET_REPORT, argument)
    (size,) = _RESPONSE.unpack_from(response)
    if size != REPORT_BYTES:
        raise DeviceError(f"an accelerator made a report of {size} bytes")
    return bytes(response[_RESPONSE.size : _RESPONSE.size + REPORT_BYTES])
