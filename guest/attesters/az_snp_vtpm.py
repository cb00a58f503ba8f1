"""Azure's confidential machines on AMD SEV-SNP: a quote of the virtual TPM (guest.md, 3.6)."""

from __future__ import annotations

import base64

from guest.attester import Attester, Devices, Place, path_exists
from guest.devices.tpm_registers import TPMRegisters
from guest.errors import DeviceError
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue

_CERTIFICATES = "/metadata/THIM/amd/certification"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"


class AzureSNPAttester(TPMRegisters):
    """Asks the virtual TPM, and Azure's metadata service for the processor's certificate."""

    tee = "az-snp-vtpm"
    rank = 24
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """The virtual TPM holds a report of SEV-SNP."""
        from guest.devices.azure_vtpm import runs_on
        from guest.devices.hcl_report import ReportType

        return path_exists(devices.paths.tpm) and runs_on(ReportType.SNP, devices)

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"version","tpm_quote","hcl_report","vcek"}``; the latter two in base64url, padded.

        Raises:
            AttesterError: the virtual TPM or the metadata service failed.
        """
        from guest.devices.azure_vtpm import collect
        from guest.devices.hcl_report import ReportType

        found = collect(ReportType.SNP, report_data, devices)
        return {
            "version": found.version,
            "tpm_quote": found.tpm_quote(),
            "hcl_report": base64.urlsafe_b64encode(found.hcl.encoded).decode("ascii"),
            "vcek": base64.urlsafe_b64encode(_vcek(devices)).decode("ascii"),
        }


def _vcek(devices: Devices) -> bytes:
    """The certificate of the processor's key, DER."""
    from guest.devices.azure_vtpm import ask_metadata

    pem = ask_metadata(devices, _CERTIFICATES).get("vcekCert")
    _, begin, rest = pem.partition(_BEGIN) if isinstance(pem, str) else ("", "", "")
    text, end, _ = rest.partition(_END)
    if not (begin and end):
        raise DeviceError("Azure's metadata service names no certificate of the processor")
    try:
        return b64_decode("".join(text.split()))
    except WireError as error:
        raise DeviceError("Azure's metadata service names no certificate in PEM") from error


ATTESTER: Attester = AzureSNPAttester()
