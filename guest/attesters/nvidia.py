"""NVIDIA's graphics processors in confidential mode: a report of each (guest.md, section 3.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from guest.attester import Attester, Devices, Place, path_exists
from guest.errors import AttesterError, DeviceError
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONObject, JSONValue

if TYPE_CHECKING:
    from guest.devices.nvml import GPUReport, Library

# SPDM takes no longer nonce; verifiers compare the first 32 bytes of a digest.
_NONCE_BYTES = 32


def _driver() -> Library:
    from guest.devices.nvml import load_library

    return load_library()


class NVIDIAAttester:
    """Asks the driver for a report of each graphics processor.

    Args:
        load: brings the driver's library.
    """

    tee = "nvidia"
    rank = None
    insecure = False
    place = Place.DEVICE

    def __init__(self, load: Callable[[], Library] = _driver) -> None:
        self._load = load

    def is_present(self, devices: Devices) -> bool:
        """The driver is there and has confidential computing on."""
        if not path_exists(devices.paths.nvidia):
            return False
        from guest.devices.nvml import started

        try:
            with started(self._load()) as nvml:
                return nvml.is_confidential()
        except AttesterError:
            return False

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:  # noqa: ARG002  (port)
        """``{"device_evidence_list"}``: one of each graphics processor, or none at all.

        Raises:
            AttesterError: there is no driver or graphics processor, or one made no report.
        """
        from guest.devices.nvml import started

        nonce = report_data[:_NONCE_BYTES].ljust(_NONCE_BYTES, b"\0")
        with started(self._load()) as nvml:
            if not nvml.is_confidential():
                raise DeviceError("NVIDIA's driver does not have confidential computing on")
            reports = nvml.reports(nonce)
        return {"device_evidence_list": [_entry(report) for report in reports]}


def _entry(report: GPUReport) -> JSONObject:
    return {
        "arch": report.architecture,
        "uuid": report.uuid,
        "evidence": b64_encode(report.report),
        "certificate": b64_encode(report.chain),
    }


ATTESTER: Attester = NVIDIAAttester()
