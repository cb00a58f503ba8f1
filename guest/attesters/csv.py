"""Hygon CSV: a report of the firmware with the certificate that signed it (guest.md, 3.8)."""

from __future__ import annotations

import secrets

from guest.attester import Attester, Devices, Place, pad_report_data, path_exists
from guest.errors import MeasurementUnsupportedError
from guest.wire.json_types import JSONValue

# The kernel lets an operating system extend these only.
_OPEN_REGISTERS = frozenset({3, 4})


class CSVAttester:
    """Asks the firmware for a report; HSK and CEK are left to the verifier, who fetches them."""

    tee = "csv"
    rank = 40
    insecure = False
    place = Place.PRIMARY
    measurement_algorithm = "sm3"
    # As in Trustee's guests (guest.md, section 2.2).
    default_register: int | None = 17
    evidence_carries_log = True

    def is_present(self, devices: Devices) -> bool:
        """The kernel has the device of a CSV guest."""
        return path_exists(devices.paths.csv_guest)

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"attestation_report","cert_chain","serial_number","cc_eventlog"}``.

        Raises:
            AttesterError: no report could be made, or the event log is malformed.
        """
        from guest.devices.csv_guest import MAGIC, NONCE_BYTES, csv_report
        from guest.devices.event_log import read_event_log
        from guest.devices.hygon_json import chip_json

        nonce = secrets.token_bytes(NONCE_BYTES)
        padded = pad_report_data(report_data)
        report = csv_report(devices.paths.csv_guest, padded, nonce, devices.nodes)
        extended = report.version == 2
        return {
            "attestation_report": {
                "magic": list(MAGIC if extended else bytes(len(MAGIC))),
                "flags": int(extended),
                "data": list(report.data),
            },
            "cert_chain": {"pek": chip_json(report.pek)},
            "serial_number": list(report.serial),
            "cc_eventlog": read_event_log(devices.paths),
        }

    def log_index(self, pcr: int) -> int:
        """0 to 4, by the mapping of the field (guest.md, section 2.6).

        Raises:
            MeasurementUnsupportedError: only the firmware may extend that register.
        """
        register = _register(pcr)
        if register not in _OPEN_REGISTERS:
            raise MeasurementUnsupportedError(f"PCR {pcr} stands for a register of the firmware's")
        return register

    def read_register(self, pcr: int, devices: Devices) -> bytes:
        """The RTMR of the same number as in the log.

        Raises:
            AttesterError: the firmware refused.
        """
        from guest.devices.csv_guest import read_register

        return read_register(devices.paths.csv_guest, _register(pcr), devices.nodes)

    def extend_register(self, pcr: int, digest: bytes, devices: Devices) -> None:
        """Extend the RTMR.

        Raises:
            AttesterError: the firmware refused.
        """
        from guest.devices.csv_guest import extend_register

        extend_register(devices.paths.csv_guest, _register(pcr), digest, devices.nodes)


def _register(pcr: int) -> int:
    if pcr == 0:
        return 0
    if pcr in {1, 7}:
        return 1
    if pcr <= 6:
        return 2
    return 3 if pcr <= 15 else 4


ATTESTER: Attester = CSVAttester()
