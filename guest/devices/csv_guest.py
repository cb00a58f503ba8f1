"""Hygon CSV reports and registers by ioctl.

Source: Hygon's kernel, drivers/virt/coco/csv-guest and its csv-guest.h; the structures of the
csv-rs library. Little endian.
"""

from __future__ import annotations

import errno
import hmac
import struct
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from guest.devices.nodes import Node, Nodes, address_of, opened, read_write_request
from guest.errors import DeviceError
from guest.wire.digests import digest

MAGIC = b"ATTESTATION_EXT\0"
REPORT_BYTES = 4096
REPORT_DATA_BYTES = 64
NONCE_BYTES = 16
REGISTER_BYTES = 32

# struct csv_report_req: address and size of the buffer that holds first the request, then the
# report.
_REPORT_REQUEST = struct.Struct("<QI4x")
# struct csv_rtmr_req, packed: address and size of the subcommand's buffer, subcommand, reserved,
# the firmware's error.
_RTMR_REQUEST = struct.Struct("<QQHHI")
# struct csv_guest_user_rtmr_extend, packed: index, reserved, size, data.
_RTMR_EXTEND = struct.Struct("<BBH32s")
_RTMR_READ = struct.Struct("<I32s")
_RTMR_STATUS_BYTES = 3

CSV_CMD_GET_REPORT = read_write_request("D", 1, _REPORT_REQUEST.size)
CSV_CMD_RTMR = read_write_request("D", 2, _RTMR_REQUEST.size)

_STATUS, _READ, _EXTEND = 1, 3, 4
# What the kernel answers when it, the firmware or the kind of guest has no registers.
_UNKNOWN = frozenset({errno.ENOTTY, errno.ENODEV})

# The signed part of a report, then its signer: certificate of the PEK, serial number, reserved,
# and an HMAC over these under the nonce.
_SIGNER_OFFSETS = {1: 336, 2: 1168}
_PEK_BYTES = 2084
_SERIAL_BYTES = 64
_RESERVED_BYTES = 32
_NONCE_OFFSET = 128
_ANONCE_OFFSET = 188


@dataclass(frozen=True, slots=True)
class CSVReport:
    """A report as evidence carries it, with its signer unmasked.

    Attributes:
        version: 1, or 2 with registers.
        data: 4096 bytes.
        pek: certificate of the key that signed it, 2084 bytes.
        serial: of the chip, 64 bytes.
    """

    version: int
    data: bytes
    pek: bytes
    serial: bytes


def csv_report(path: Path, report_data: bytes, nonce: bytes, nodes: Nodes) -> CSVReport:
    """A report over 64 bytes: of version 2 where the firmware has registers, else of version 1.

    Args:
        path: of the device.
        report_data: 64 bytes.
        nonce: 16 random bytes.
        nodes: how devices are opened.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the firmware refused, or answered another request.
    """
    request = report_data + nonce + digest(report_data + nonce, "sm3")
    with opened(nodes, path) as node:
        version = 2 if _has_registers(node) else 1
        if version == 2:
            request += MAGIC + (1).to_bytes(4, "little")
        buffer = bytearray(request.ljust(REPORT_BYTES, b"\0"))
        node.ioctl(
            CSV_CMD_GET_REPORT, bytearray(_REPORT_REQUEST.pack(address_of(buffer), len(buffer)))
        )
    return _opened_report(version, bytes(buffer), nonce)


def read_register(path: Path, index: int, nodes: Nodes) -> bytes:
    """A register, 32 bytes.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the firmware refused, or has no registers.
    """
    buffer = bytearray(_RTMR_READ.pack(1 << index, b""))
    with opened(nodes, path) as node:
        _run_register_command(node, _READ, buffer)
    bits, value = _RTMR_READ.unpack(buffer)
    if bits != 1 << index:
        raise DeviceError("the firmware read other registers than it was asked to")
    return bytes(value)


def extend_register(path: Path, index: int, value: bytes, nodes: Nodes) -> None:
    """Extend a register with 32 bytes; an operating system may extend 3 and 4 only.

    Raises:
        NoTEEError: there is no such device.
        DeviceError: the firmware refused, or has no registers.
    """
    buffer = bytearray(_RTMR_EXTEND.pack(index, 0, REGISTER_BYTES, value))
    with opened(nodes, path) as node:
        _run_register_command(node, _EXTEND, buffer)


def _has_registers(node: Node) -> bool:
    """Whether kernel and firmware know registers, and with them reports of version 2.

    Any other failure is one: it must not lead to the older form, whose fields are less protected.
    """
    try:
        _run_register_command(node, _STATUS, bytearray(_RTMR_STATUS_BYTES))
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        return False
    return True


def _run_register_command(node: Node, subcommand: int, buffer: bytearray) -> None:
    argument = bytearray(_RTMR_REQUEST.pack(address_of(buffer), len(buffer), subcommand, 0, 0))
    node.ioctl(CSV_CMD_RTMR, argument)
    error = _RTMR_REQUEST.unpack(argument)[-1]
    if error:
        raise DeviceError(f"the firmware refused to touch a register ({error:#x})")


def _opened_report(version: int, data: bytes, nonce: bytes) -> CSVReport:
    """Check that the report answers this request, and unmask its signer.

    Version 1 stores what the guest gave, and the signer, XORed with four bytes (``anonce``). The
    HMAC shows that nothing on the way from firmware to guest changed the signer by accident; the
    host knows its key, so verifiers do not look at it.
    """
    mask = data[_ANONCE_OFFSET : _ANONCE_OFFSET + 4] if version == 1 else bytes(4)
    if _masked(data[_NONCE_OFFSET : _NONCE_OFFSET + NONCE_BYTES], mask) != nonce:
        raise DeviceError("the firmware's report answers another request")
    start = _SIGNER_OFFSETS[version]
    end = start + _PEK_BYTES + _SERIAL_BYTES
    signer = data[start : end + _RESERVED_BYTES]
    code = data[end + _RESERVED_BYTES : end + _RESERVED_BYTES + 32]
    if not hmac.compare_digest(_sm3_hmac(nonce, signer), code):
        raise DeviceError("the signer in the firmware's report was changed on the way")
    shown = _masked(signer[: _PEK_BYTES + _SERIAL_BYTES], mask)
    # Hygon's own library clears the reserved bytes, and verifiers have always seen it so.
    whole = data[:start] + shown + bytes(_RESERVED_BYTES) + data[end + _RESERVED_BYTES :]
    return CSVReport(version, whole, shown[:_PEK_BYTES], shown[_PEK_BYTES:])


def _masked(data: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(mask), strict=False))


def _sm3_hmac(key: bytes, message: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.hmac import HMAC

    state = HMAC(key, hashes.SM3())
    state.update(message)
    return state.finalize()
