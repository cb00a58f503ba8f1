"""The ultravisor of IBM Z: attestation of a Secure Execution guest by ioctl.

Source: Linux, arch/s390/include/uapi/asm/uvdevice.h. Numbers have the machine's own byte order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from guest.devices.nodes import Nodes, address_of, opened, read_write_request
from guest.errors import DeviceError

USER_DATA_BYTES = 256
UID_BYTES = 16
# UVIO_ATT_ARCB_MAX_LEN, UVIO_ATT_MEASUREMENT_MAX_LEN, UVIO_ATT_ADDITIONAL_MAX_LEN.
MAX_REQUEST_BYTES = 0x100000
MAX_MEASUREMENT_BYTES = 0x8000
MAX_ADDITIONAL_BYTES = 0x8000

# struct uvio_ioctl_cb: flags, return code and reason of the ultravisor, address and size of the
# argument, zeros.
_CONTROL = struct.Struct("=IHHQI44x")
# struct uvio_attest: addresses of request, measurement and additional data; user data; the guest's
# id; sizes of the three and of the user data; reserved.
_ATTEST = struct.Struct("=QQQ256s16sIIIHH")
UVIO_IOCTL_ATT = read_write_request("u", 1, _CONTROL.size)

_EXECUTED = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What the ultravisor answered.

    Attributes:
        measurement: of the size that was asked for.
        additional_data: of the size that was asked for.
        uid: of the guest's configuration, 16 bytes.
    """

    measurement: bytes
    additional_data: bytes
    uid: bytes


@dataclass(frozen=True, slots=True)
class MeasurementRequest:
    """What the ultravisor is asked.

    Attributes:
        request: the attestation request control block, opaque to the guest.
        measurement_bytes: size of the measurement.
        additional_bytes: size of the additional data.
        user_data: at most 256 bytes.
    """

    request: bytes
    measurement_bytes: int
    additional_bytes: int
    user_data: bytes


def measure(path: Path, asked: MeasurementRequest, nodes: Nodes) -> Measured:
    """Have the guest measured.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the ultravisor refused.
    """
    request = bytearray(asked.request)
    measurement = bytearray(asked.measurement_bytes)
    additional = bytearray(asked.additional_bytes)
    where_additional = address_of(additional) if additional else 0
    attest = bytearray(
        _ATTEST.pack(
            address_of(request), address_of(measurement), where_additional,
            asked.user_data, b"",
            len(request), len(measurement), len(additional), len(asked.user_data), 0,
        )
    )  # fmt: skip
    control = bytearray(_CONTROL.pack(0, 0, 0, address_of(attest), len(attest)))
    with opened(nodes, path) as node:
        node.ioctl(UVIO_IOCTL_ATT, control)
    _, code, reason, _, _ = _CONTROL.unpack(control)
    if code != _EXECUTED:
        raise DeviceError(f"the ultravisor did not measure the guest ({code:#x}, {reason:#x})")
    uid = _ATTEST.unpack(attest)[4]
    return Measured(bytes(measurement), bytes(additional), uid)
