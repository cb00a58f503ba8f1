"""Arm CCA: a token of a realm through configfs-tsm (guest.md, section 3.7)."""

from __future__ import annotations

from guest.attester import Attester, Devices, Place, pad_report_data
from guest.wire.json_types import JSONValue

PROVIDER = "arm_cca_guest"


class CCAAttester:
    """Asks the kernel for a token."""

    tee = "cca"
    rank = 50
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """The kernel reports through CCA, which has no device of its own."""
        return devices.tsm.provider() == PROVIDER

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"token"}``: the bytes of the CBOR token, as integers.

        Raises:
            AttesterError: no token could be made.
        """
        report = devices.tsm.report(PROVIDER, pad_report_data(report_data))
        return {"token": list(report.outblob)}


ATTESTER: Attester = CCAAttester()
