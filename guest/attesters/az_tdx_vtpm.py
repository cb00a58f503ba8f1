"""Azure's confidential machines on Intel TDX: a quote of the virtual TPM (guest.md, 3.6)."""

from __future__ import annotations

import base64

from guest.attester import Attester, Devices, Place, path_exists
from guest.devices.tpm_registers import TPMRegisters
from guest.errors import DeviceError
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue

_QUOTES = "/acc/tdquote"
_TO_URL_ALPHABET = str.maketrans("+/", "-_")


class AzureTDXAttester(TPMRegisters):
    """Asks the virtual TPM, and Azure's metadata service to turn the TD's report into a quote."""

    tee = "az-tdx-vtpm"
    rank = 22
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """The virtual TPM holds a report of TDX."""
        from guest.devices.azure_vtpm import runs_on
        from guest.devices.hcl_report import ReportType

        return path_exists(devices.paths.tpm) and runs_on(ReportType.TDX, devices)

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"version","tpm_quote","hcl_report","td_quote"}``; the latter two in base64url, padded.

        Raises:
            AttesterError: the virtual TPM or the metadata service failed.
        """
        from guest.devices.azure_vtpm import collect
        from guest.devices.hcl_report import ReportType

        found = collect(ReportType.TDX, report_data, devices)
        quote = _td_quote(found.hcl.td_report, devices)
        return {
            "version": found.version,
            "tpm_quote": found.tpm_quote(),
            "hcl_report": base64.urlsafe_b64encode(found.hcl.encoded).decode("ascii"),
            "td_quote": base64.urlsafe_b64encode(quote).decode("ascii"),
        }


def _td_quote(td_report: bytes, devices: Devices) -> bytes:
    from guest.devices.azure_vtpm import ask_metadata

    answer = ask_metadata(devices, _QUOTES, {"report": b64url_encode(td_report)})
    text = answer.get("quote")
    if not isinstance(text, str) or not text:
        raise DeviceError("Azure's metadata service made no quote")
    try:
        # It writes one alphabet or the other.
        return b64url_decode(text.translate(_TO_URL_ALPHABET).rstrip("="))
    except WireError as error:
        raise DeviceError("Azure's metadata service made a quote that is not base64") from error


ATTESTER: Attester = AzureTDXAttester()
