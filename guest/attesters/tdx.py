"""Intel TDX: a quote through configfs-tsm with the event log, and registers (guest.md, 3.3)."""

from __future__ import annotations

from pathlib import Path

from guest.attester import Attester, Devices, Place, pad_report_data, path_exists
from guest.errors import DeviceError, MeasurementUnsupportedError
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONValue

PROVIDER = "tdx_guest"
REGISTER_BYTES = 48
MR_CONFIG_ID_BYTES = 48


class TDXAttester:
    """Asks the kernel for a quote."""

    tee = "tdx"
    rank = 10
    insecure = False
    place = Place.PRIMARY
    measurement_algorithm = "sha384"
    # As in Trustee's guests (guest.md, section 2.2); it stands for RTMR 3, which nothing that boots
    # the guest extends.
    default_register: int | None = 17
    evidence_carries_log = True

    def is_present(self, devices: Devices) -> bool:
        """The kernel reports through TDX, or has its device."""
        return path_exists(devices.paths.tdx_guest) or devices.tsm.provider() == PROVIDER

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"quote","cc_eventlog"}``: base64 of the quote, and of the event log or null.

        Raises:
            AttesterError: no quote could be made, or the event log is malformed.
        """
        from guest.devices.event_log import read_event_log

        report = devices.tsm.report(PROVIDER, pad_report_data(report_data))
        return {
            "quote": b64_encode(report.outblob),
            "cc_eventlog": read_event_log(devices.paths),
        }

    def init_data_field(self, devices: Devices) -> bytes:
        """MRCONFIGID, 48 bytes: from the kernel's file, else its TDREPORT, else a quote.

        Raises:
            AttesterError: none of them could be had.
        """
        try:
            value = (devices.paths.tdx_measurements / "mrconfigid").read_bytes()
        except OSError:
            # Kernels before 6.16 have no such file (Documentation/ABI, sysfs-devices-virtual-misc-
            # tdx_guest).
            return _reported_mr_config_id(devices)
        if len(value) != MR_CONFIG_ID_BYTES:
            raise DeviceError(f"MRCONFIGID has not {MR_CONFIG_ID_BYTES} bytes")
        return value

    def log_index(self, pcr: int) -> int:
        """1 to 4, for RTMR 0 to 3, by the mapping of the field (guest.md, section 2.6)."""
        if pcr in {1, 7}:
            return 1
        if 2 <= pcr <= 6:
            return 2
        return 3 if 8 <= pcr <= 15 else 4

    def read_register(self, pcr: int, devices: Devices) -> bytes:
        """The RTMR, 48 bytes.

        Raises:
            MeasurementUnsupportedError: the kernel shows no registers.
            DeviceError: it could not be read.
        """
        path = self._register(pcr, devices)
        try:
            value = devices.files.read(path)
        except OSError as error:
            raise _register_error(path, error) from error
        if len(value) != REGISTER_BYTES:
            raise DeviceError(f"{path.name} has not {REGISTER_BYTES} bytes")
        return value

    def extend_register(self, pcr: int, digest: bytes, devices: Devices) -> None:
        """Extend the RTMR: to write is to extend.

        Raises:
            MeasurementUnsupportedError: the kernel shows no registers.
            DeviceError: the kernel refused.
        """
        path = self._register(pcr, devices)
        try:
            devices.files.write(path, digest)
        except OSError as error:
            raise _register_error(path, error) from error

    def _register(self, pcr: int, devices: Devices) -> Path:
        return devices.paths.tdx_measurements / f"rtmr{self.log_index(pcr) - 1}:sha384"


def _reported_mr_config_id(devices: Devices) -> bytes:
    if path_exists(devices.paths.tdx_guest):
        # Only kernels before 6.16 need it.
        from guest.devices import td_report

        report = td_report.td_report(devices.paths.tdx_guest, b"", devices.nodes)
        return td_report.mr_config_id(report)
    from guest.devices.td_quote import mr_config_id

    return mr_config_id(devices.tsm.report(PROVIDER, pad_report_data(b"")).outblob)


def _register_error(path: Path, error: OSError) -> DeviceError | MeasurementUnsupportedError:
    if isinstance(error, FileNotFoundError):
        return MeasurementUnsupportedError(
            "the kernel shows no measurement registers of TDX; it needs to be 6.16 or newer"
        )
    return DeviceError(f"{path.name} cannot be used: {error.strerror}")


ATTESTER: Attester = TDXAttester()
