"""Stand-ins for character devices, at the boundary of ioctl.

Each is written from the header of its driver with ctypes, apart from the guest's own description of
the same structures, so that the two can disagree. Addresses are read and written as a kernel does.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable
from ctypes import Structure, c_ubyte, c_uint8, c_uint16, c_uint32, c_uint64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from simulated.hygon import MAGIC, SERIAL, Site, dcu_report, sm3, v2_report
from simulated.se import Firmware

# Makes the device's answer: takes request number and argument, changes the argument.
Driver = Callable[[int, bytearray], None]


@dataclass
class StandInNodes:
    """Devices by path; whatever else is opened does not exist.

    Attributes:
        drivers: what stands in.
        gone: whether devices vanish between being opened and being asked.
    """

    drivers: dict[Path, Driver]
    gone: bool = False
    opened: int = 0

    def open(self, path: Path) -> StandInNode:
        """An open device."""
        if path not in self.drivers:
            raise OSError(errno.ENOENT, "no such device")
        self.opened += 1
        return StandInNode(self.drivers[path], self.gone)

    def close(self, node: Any) -> None:
        """Give it back."""
        self.opened -= 1


@dataclass
class StandInNode:
    """One open device."""

    driver: Driver
    gone: bool

    def ioctl(self, request: int, argument: bytearray) -> None:
        """One call; the size in the request's number has to be the argument's."""
        if self.gone:
            raise OSError(errno.ENODEV, "the device vanished")
        assert request >> 30 == 3
        if len(argument) != request >> 16 & 0x3FFF:
            raise OSError(errno.EFAULT, "the argument has another size")
        self.driver(request, argument)


def refusing(code: int) -> Driver:
    """A device that refuses every request."""

    def driver(request: int, argument: bytearray) -> None:
        raise OSError(code, "as the test asked")

    return driver


def _number(kind: str, number: int, structure: type[Structure]) -> int:
    return 3 << 30 | ctypes.sizeof(structure) << 16 | ord(kind) << 8 | number


# --- AMD: include/uapi/linux/sev-guest.h ---------------------------------------------------------


class SNPReportReq(Structure):
    """struct snp_report_req."""

    _fields_ = (("user_data", c_ubyte * 64), ("vmpl", c_uint32), ("rsvd", c_ubyte * 28))


class SNPExtReportReq(Structure):
    """struct snp_ext_report_req."""

    _fields_ = (("data", SNPReportReq), ("certs_address", c_uint64), ("certs_len", c_uint32))


class SNPGuestRequest(Structure):
    """struct snp_guest_request_ioctl."""

    _fields_ = (
        ("msg_version", c_uint8),
        ("req_data", c_uint64),
        ("resp_data", c_uint64),
        ("fw_error", c_uint32),
        ("vmm_error", c_uint32),
    )


@dataclass
class SevGuest:
    """The driver of an SNP guest.

    Attributes:
        make_report: from 64 bytes to 1184.
        table: the host's certificates.
        busy: how often the host says so before it answers.
        table_pages: how many pages the host's table needs.
    """

    make_report: Callable[[bytes], bytes]
    table: bytes = b""
    busy: int = 0
    table_pages: int = 4
    status: int = 0
    size: int | None = None

    def __call__(self, request: int, argument: bytearray) -> None:
        """SNP_GET_EXT_REPORT."""
        assert request == _number("S", 2, SNPGuestRequest) == 0xC0205302
        asked = SNPGuestRequest.from_buffer(argument)
        assert asked.msg_version == 1
        extended = SNPExtReportReq.from_address(asked.req_data)
        assert extended.certs_len % 4096 == 0
        if self.busy:
            self.busy -= 1
            asked.vmm_error = 2
            raise OSError(errno.EAGAIN, "busy")
        if extended.certs_len < self.table_pages * 4096:
            asked.vmm_error = 1
            extended.certs_len = self.table_pages * 4096
            raise OSError(errno.EIO, "too small")
        report = self.make_report(bytes(extended.data.user_data))
        size = len(report) if self.size is None else self.size
        answer = self.status.to_bytes(4, "little") + size.to_bytes(4, "little") + bytes(24) + report
        ctypes.memmove(asked.resp_data, answer.ljust(4000, b"\0"), 4000)
        ctypes.memmove(extended.certs_address, self.table, len(self.table))


# --- Intel: include/uapi/linux/tdx-guest.h -------------------------------------------------------


class TDXReportReq(Structure):
    """struct tdx_report_req."""

    _fields_ = (("reportdata", c_ubyte * 64), ("tdreport", c_ubyte * 1024))


def tdx_guest(mr_config_id: bytes) -> Driver:
    """The driver of a TDX guest whose host gave this MRCONFIGID."""

    def driver(request: int, argument: bytearray) -> None:
        assert request == _number("T", 1, TDXReportReq) == 0xC4405401
        asked = TDXReportReq.from_buffer(argument)
        report = bytearray(1024)
        report[128:192] = bytes(asked.reportdata)
        # TDINFO: attributes and XFAM of 8 bytes, MRTD of 48, then MRCONFIGID.
        report[512 + 64 : 512 + 112] = mr_config_id
        asked.tdreport[:] = report

    return driver


# --- Hygon: drivers/virt/coco/csv-guest/csv-guest.h ----------------------------------------------


class CSVReportReq(Structure):
    """struct csv_report_req."""

    _fields_ = (("report_data", c_uint64), ("len", c_uint32))


class CSVRtmrReq(Structure):
    """struct csv_rtmr_req."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("buf", c_uint64),
        ("len", c_uint64),
        ("subcmd_id", c_uint16),
        ("rsvd", c_uint16),
        ("fw_error_code", c_uint32),
    )


@dataclass
class CSVGuest:
    """The driver of a CSV guest and its firmware.

    Attributes:
        site: who signs.
        registers: RTMR 0 to 4; ``None`` on firmware without them, which reports in version 1.
        anonce: mask of version 1.
    """

    site: Site
    registers: list[bytes] | None = field(default_factory=lambda: [bytes(32)] * 5)
    anonce: bytes = b"\x11\x22\x33\x44"
    change: Callable[[bytearray], None] = lambda _: None
    fw_error: int = 0

    def __call__(self, request: int, argument: bytearray) -> None:
        """CSV_CMD_GET_REPORT or CSV_CMD_RTMR."""
        if request == _number("D", 1, CSVReportReq):
            assert request == 0xC0104401
            self._report(CSVReportReq.from_buffer(argument))
        else:
            assert request == _number("D", 2, CSVRtmrReq) == 0xC0184402
            self._register(CSVRtmrReq.from_buffer(argument))

    def _report(self, asked: Any) -> None:
        assert asked.len == 4096
        buffer = ctypes.string_at(asked.report_data, asked.len)
        data, nonce, digest = buffer[:64], buffer[64:80], buffer[80:112]
        assert digest == sm3(data + nonce)
        extended = buffer[112:128] == MAGIC and buffer[128:132] == b"\1\0\0\0"
        made = bytearray(self._v2(data, nonce) if extended else self._v1(data, nonce))
        self.change(made)
        ctypes.memmove(asked.report_data, bytes(made), len(made))

    def _v1(self, data: bytes, nonce: bytes) -> bytes:
        numbers = b"".join(each.to_bytes(4, "little") for each in (5, 0x1002, 4))
        plain = bytes(64) + data + nonce + bytes(range(32)) + numbers
        masked = _xor(plain, self.anonce)
        signature = self.site.pek.signature(masked[:180])
        report = masked + self.anonce + signature
        return self._with_signer(report, nonce, self.anonce)

    def _v2(self, data: bytes, nonce: bytes) -> bytes:
        made = bytes(v2_report(self.site.pek, data, self.registers)["data"])[:1024]
        signed = made[:128] + nonce + made[144:]
        return self._with_signer(signed + self.site.pek.signature(signed), nonce, bytes(4))

    def _with_signer(self, report: bytes, nonce: bytes, mask: bytes) -> bytes:
        signer = _xor(self.site.platform() + SERIAL.encode().ljust(64, b"\0"), mask)
        signer += b"\x5a" * 32
        code = HMAC(nonce, hashes.SM3())
        code.update(signer)
        return (report + signer + code.finalize()).ljust(4096, b"\0")

    def _register(self, asked: Any) -> None:
        if self.registers is None:
            raise OSError(errno.ENODEV, "no registers")
        buffer = bytearray(ctypes.string_at(asked.buf, asked.len))
        asked.fw_error_code = self.fw_error
        if asked.subcmd_id == 1:
            assert asked.len == 3
            buffer[:] = b"\1\0\2"
        elif asked.subcmd_id == 3:
            assert asked.len == 36
            index = int.from_bytes(buffer[:4], "little").bit_length() - 1
            buffer[4:] = self.registers[index]
        else:
            self._extend(bytes(buffer))
        ctypes.memmove(asked.buf, bytes(buffer), len(buffer))

    def _extend(self, buffer: bytes) -> None:
        assert self.registers is not None
        assert buffer[1:4] == b"\0\x20\0"
        if not 3 <= buffer[0] <= 4:
            raise OSError(errno.EINVAL, "closed after boot")
        self.registers[buffer[0]] = sm3(self.registers[buffer[0]] + buffer[4:])


class MkfdAttestation(Structure):
    """struct of the request 0x17 of /dev/mkfd."""

    _fields_ = (
        ("dcu_id", c_uint32),
        ("version", c_uint32),
        ("request_data", c_uint64),
        ("request_size", c_uint64),
        ("response_data", c_uint64),
        ("response_size", c_uint64),
        ("fw_err", c_uint64),
    )


def mkfd(site: Site, size: int = 396, ids: tuple[int, ...] = (7, 9)) -> Driver:
    """The driver of accelerators with these ids."""

    def driver(request: int, argument: bytearray) -> None:
        assert request == _number("M", 0x17, MkfdAttestation) == 0xC0304D17
        asked = MkfdAttestation.from_buffer(argument)
        assert (asked.version, asked.request_size, asked.response_size) == (1, 4096, 4096)
        if asked.dcu_id not in ids:
            raise OSError(errno.EINVAL, "no such accelerator")
        user_data = ctypes.string_at(asked.request_data, 64)
        # Each accelerator has measurements of its own.
        report = dcu_bytes(dcu_report(site.cek, user_data, measure=bytes([asked.dcu_id]) * 32))
        ctypes.memmove(asked.response_data, size.to_bytes(4, "little") + bytes(28) + report, 428)

    return driver


def dcu_bytes(report: dict[str, Any]) -> bytes:
    """The structure whose JSON this is."""
    body, sig = report["body"], report["sig"]
    names = ("chip_id", "user_data", "measure", "reserved")
    return (
        body["version"].to_bytes(4, "little")
        + b"".join(bytes(body[name]) for name in names)
        + body["sig_usage"].to_bytes(4, "little")
        + body["sig_algo"].to_bytes(4, "little")
        + bytes(sig["r"])
        + bytes(sig["s"])
    )


# --- IBM: arch/s390/include/uapi/asm/uvdevice.h --------------------------------------------------


class UvioIoctlCb(Structure):
    """struct uvio_ioctl_cb."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("flags", c_uint32),
        ("uv_rc", c_uint16),
        ("uv_rrc", c_uint16),
        ("argument_addr", c_uint64),
        ("argument_len", c_uint32),
        ("reserved14", c_ubyte * (0x40 - 0x14)),
    )


class UvioAttest(Structure):
    """struct uvio_attest."""

    _fields_ = (
        ("arcb_addr", c_uint64),
        ("meas_addr", c_uint64),
        ("add_data_addr", c_uint64),
        ("user_data", c_ubyte * 0x100),
        ("config_uid", c_ubyte * 0x10),
        ("arcb_len", c_uint32),
        ("meas_len", c_uint32),
        ("add_data_len", c_uint32),
        ("user_data_len", c_uint16),
        ("reserved136", c_uint16),
    )


@dataclass
class Uvdevice:
    """The ultravisor's device, whose firmware opens requests and measures.

    Attributes:
        firmware: what measures.
        tags: of the image that runs.
        code: that the ultravisor answers with; 1 is success.
    """

    firmware: Firmware
    tags: bytes
    code: int = 1

    def __call__(self, request: int, argument: bytearray) -> None:
        """UVIO_IOCTL_ATT."""
        assert request == _number("u", 1, UvioIoctlCb) == 0xC0407501
        control = UvioIoctlCb.from_buffer(argument)
        assert control.flags == 0
        assert bytes(control.reserved14) == bytes(44)
        assert control.argument_len == ctypes.sizeof(UvioAttest) == 0x138
        attest = UvioAttest.from_address(control.argument_addr)
        control.uv_rc = self.code
        if self.code != 1:
            return
        user_data = bytes(attest.user_data)[: attest.user_data_len]
        block = ctypes.string_at(attest.arcb_addr, attest.arcb_len)
        measured, additional, uid = self.firmware.measure(block, user_data, self.tags)
        assert (attest.meas_len, attest.add_data_len) == (len(measured), len(additional))
        ctypes.memmove(attest.meas_addr, measured, len(measured))
        ctypes.memmove(attest.add_data_addr, additional, len(additional))
        attest.config_uid[:] = uid


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(each ^ mask[at % 4] for at, each in enumerate(data))
