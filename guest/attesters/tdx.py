"""Intel TDX: a quote through configfs-tsm and the firmware's event log (guest.md, section 3.3)."""

from __future__ import annotations

from pathlib import Path

from guest.attester import Attester, Devices, pad_report_data, path_exists
from guest.devices.ccel import cut_event_log
from guest.devices.td_quote import MR_CONFIG_ID_BYTES, mr_config_id
from guest.errors import DeviceError
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONValue

PROVIDER = "tdx_guest"


class TDXAttester:
    """Asks the kernel for a quote."""

    tee = "tdx"
    rank = 10
    insecure = False

    def is_present(self, devices: Devices) -> bool:
        """The kernel reports through TDX, or has its device."""
        return path_exists(devices.paths.tdx_guest) or devices.tsm.provider() == PROVIDER

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"quote","cc_eventlog"}``: base64 of the quote, and of the event log or null.

        Raises:
            AttesterError: no quote could be made, or the event log is malformed.
        """
        report = devices.tsm.report(PROVIDER, pad_report_data(report_data))
        event_log = _event_log(devices.paths.ccel)
        return {
            "quote": b64_encode(report.outblob),
            "cc_eventlog": None if event_log is None else b64_encode(event_log),
        }

    def init_data_field(self, devices: Devices) -> bytes:
        """MRCONFIGID, 48 bytes: from the kernel's file, else from a quote of its own.

        Raises:
            AttesterError: neither could be had.
        """
        try:
            value = (devices.paths.tdx_measurements / "mrconfigid").read_bytes()
        except OSError:
            # Kernels before 6.16 have no such file (Documentation/ABI, sysfs-devices-virtual-misc-
            # tdx_guest).
            return mr_config_id(devices.tsm.report(PROVIDER, pad_report_data(b"")).outblob)
        if len(value) != MR_CONFIG_ID_BYTES:
            raise DeviceError(f"MRCONFIGID has not {MR_CONFIG_ID_BYTES} bytes")
        return value


def _event_log(path: Path) -> bytes | None:
    try:
        return cut_event_log(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeviceError("the firmware's event log cannot be read") from error


ATTESTER: Attester = TDXAttester()
