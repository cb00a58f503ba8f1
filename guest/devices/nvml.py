"""Reports of NVIDIA's graphics processors through the driver's own library, NVML.

Source: NVIDIA, ``nvml.h``, group "Conf Compute". Structures have the layout of a C compiler.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from guest.errors import DeviceError, NoTEEError

LIBRARY = "libnvidia-ml.so.1"
NONCE_BYTES = 32
MAX_DEVICES = 32

_SUCCESS = 0
_CC_ENABLED = 1
_UUID_BYTES = 96
# nvmlDeviceArchitecture_t, as evidence names it; others cannot attest.
_ARCHITECTURES = {9: "HOPPER", 10: "BLACKWELL"}


class SystemState(ctypes.Structure):
    """nvmlConfComputeSystemState_t."""

    _fields_ = (
        ("environment", ctypes.c_uint),
        ("cc_feature", ctypes.c_uint),
        ("dev_tools_mode", ctypes.c_uint),
    )


class Report(ctypes.Structure):
    """nvmlConfComputeGpuAttestationReport_t: the nonce goes in, reports come out."""

    _fields_ = (
        ("is_cec_report_present", ctypes.c_uint),
        ("report_size", ctypes.c_uint),
        ("cec_report_size", ctypes.c_uint),
        ("nonce", ctypes.c_ubyte * NONCE_BYTES),
        ("report", ctypes.c_ubyte * 0x2000),
        ("cec_report", ctypes.c_ubyte * 0x1000),
    )


class Certificates(ctypes.Structure):
    """nvmlConfComputeGpuCertificate_t."""

    _fields_ = (
        ("chain_size", ctypes.c_uint),
        ("attestation_chain_size", ctypes.c_uint),
        ("chain", ctypes.c_ubyte * 0x1000),
        ("attestation_chain", ctypes.c_ubyte * 0x1400),
    )


class Library(Protocol):
    """The functions of NVML that are called; each returns 0 on success."""

    def __getattr__(self, name: str) -> object:
        """A function by its name in C."""
        ...


@dataclass(frozen=True, slots=True)
class GPUReport:
    """What a graphics processor answered.

    Attributes:
        architecture: ``HOPPER`` or ``BLACKWELL``.
        uuid: as the driver names it.
        report: request and response of SPDM.
        chain: of certificates, as the driver keeps it (PEM).
    """

    architecture: str
    uuid: str
    report: bytes
    chain: bytes


def load_library() -> Library:
    """NVML.

    Raises:
        NoTEEError: the driver is not installed.
    """
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NoTEEError(f"NVIDIA's driver library {LIBRARY} is not installed") from error


class NVML:
    """NVML, ready to use."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def is_confidential(self) -> bool:
        """Whether confidential computing is on in the driver.

        Raises:
            DeviceError: NVML refused.
        """
        state = SystemState()
        self._call("nvmlSystemGetConfComputeState", ctypes.pointer(state))
        return bool(state.cc_feature == _CC_ENABLED)

    def reports(self, nonce: bytes) -> list[GPUReport]:
        """A report of each graphics processor, over 32 bytes.

        Raises:
            NoTEEError: there is none.
            DeviceError: one made no report, or cannot attest.
        """
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.pointer(count))
        if not 1 <= count.value <= MAX_DEVICES:
            raise NoTEEError(f"the driver knows {count.value} graphics processors")
        return [self._device(index, nonce) for index in range(count.value)]

    def _device(self, index: int, nonce: bytes) -> GPUReport:
        device = ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.pointer(device))
        report = Report(nonce=(ctypes.c_ubyte * NONCE_BYTES)(*nonce))
        self._call("nvmlDeviceGetConfComputeGpuAttestationReport", device, ctypes.pointer(report))
        chain = Certificates()
        self._call("nvmlDeviceGetConfComputeGpuCertificate", device, ctypes.pointer(chain))
        return GPUReport(
            self._architecture(device),
            self._uuid(device),
            _filled(report.report, report.report_size),
            _filled(chain.attestation_chain, chain.attestation_chain_size),
        )

    def _architecture(self, device: ctypes.c_void_p) -> str:
        number = ctypes.c_uint()
        self._call("nvmlDeviceGetArchitecture", device, ctypes.pointer(number))
        if number.value not in _ARCHITECTURES:
            raise DeviceError(f"a graphics processor of architecture {number.value} cannot attest")
        return _ARCHITECTURES[number.value]

    def _uuid(self, device: ctypes.c_void_p) -> str:
        text = ctypes.create_string_buffer(_UUID_BYTES)
        self._call("nvmlDeviceGetUUID", device, text, ctypes.c_uint(_UUID_BYTES))
        return text.value.decode("ascii", "replace")

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self._library, name, None)
        if not callable(function):
            raise DeviceError(f"NVIDIA's driver is too old: it has no {name}")
        code = function(*arguments)
        if code != _SUCCESS:
            raise DeviceError(f"NVIDIA's driver refused {name} ({code})")


@contextmanager
def started(library: Library) -> Iterator[NVML]:
    """NVML between its start and its end.

    Raises:
        DeviceError: it does not start.
    """
    nvml = NVML(library)
    nvml._call("nvmlInit_v2")  # noqa: SLF001  (start and end belong together, here)
    try:
        yield nvml
    finally:
        getattr(library, "nvmlShutdown")()  # noqa: B009  (a name of C)


def _filled(array: ctypes.Array[ctypes.c_ubyte], size: int) -> bytes:
    if not 0 < size <= len(array):
        raise DeviceError(f"NVIDIA's driver says that it wrote {size} bytes")
    return bytes(array)[:size]
