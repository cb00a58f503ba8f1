"""Hygon's accelerators (DCU): a report of each (guest.md, section 3.13)."""

from __future__ import annotations

from guest.attester import Attester, Devices, Place, pad_report_data, path_exists
from guest.errors import DeviceError, NoTEEError
from guest.wire.json_types import JSONObject, JSONValue

_BODY_BYTES = 252


class HygonDCUAttester:
    """Asks the driver for a report of each accelerator."""

    tee = "hygondcu"
    rank = None
    insecure = False
    place = Place.DEVICE

    def is_present(self, devices: Devices) -> bool:
        """The driver has its device, and the topology an accelerator."""
        if not path_exists(devices.paths.dcu):
            return False
        from guest.devices.mkfd import device_ids

        try:
            return bool(device_ids(devices.paths.dcu_nodes))
        except DeviceError:
            # Something is there that cannot be read; evidence will say what.
            return path_exists(devices.paths.dcu_nodes)

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"attestation_reports"}``: one of each accelerator, or none at all.

        Raises:
            AttesterError: there is no accelerator, or one made no report.
        """
        from guest.devices.mkfd import dcu_reports, device_ids

        ids = device_ids(devices.paths.dcu_nodes)
        if not ids:
            raise NoTEEError("there is no Hygon accelerator")
        user_data = pad_report_data(report_data)
        reports = dcu_reports(devices.paths.dcu, ids, user_data, devices.nodes)
        return {"attestation_reports": [_report_json(report) for report in reports]}


def _report_json(report: bytes) -> JSONObject:
    from guest.devices.hygon_json import signature_json

    return {
        "body": {
            "version": int.from_bytes(report[:4], "little"),
            "chip_id": list(report[4:20]),
            "user_data": list(report[20:84]),
            "measure": list(report[84:116]),
            "reserved": list(report[116:244]),
            "sig_usage": int.from_bytes(report[244:248], "little"),
            "sig_algo": int.from_bytes(report[248:252], "little"),
        },
        "sig": signature_json(report[_BODY_BYTES:]),
    }


ATTESTER: Attester = HygonDCUAttester()
