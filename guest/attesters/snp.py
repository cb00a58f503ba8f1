"""AMD SEV-SNP: a report through configfs-tsm, in the JSON that verifiers know (guest.md, 3.4)."""

from __future__ import annotations

from guest.attester import Attester, Devices, pad_report_data, path_exists
from guest.devices.snp_report import certificate_table_json, report_json
from guest.wire.json_types import JSONValue

PROVIDER = "sev_guest"


class SNPAttester:
    """Asks the kernel for a report at the VMPL of the guest, with the host's certificates."""

    tee = "snp"
    rank = 30
    insecure = False

    def is_present(self, devices: Devices) -> bool:
        """The kernel reports through SEV-SNP, or has its device."""
        return path_exists(devices.paths.sev_guest) or devices.tsm.provider() == PROVIDER

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"attestation_report","cert_chain"}``; ``cert_chain`` is null without certificates.

        Raises:
            AttesterError: no report could be made, or what the kernel gave does not parse.
        """
        report = devices.tsm.report(PROVIDER, pad_report_data(report_data))
        return {
            "attestation_report": report_json(report.outblob),
            "cert_chain": certificate_table_json(report.auxblob),
        }

    def init_data_field(self, devices: Devices) -> bytes:
        """HOST_DATA, 32 bytes, from a report of its own (guest.md, section 2.5).

        Raises:
            AttesterError: no report could be made, or what the kernel gave does not parse.
        """
        report = devices.tsm.report(PROVIDER, pad_report_data(b""))
        return bytes(report_json(report.outblob)["host_data"])


ATTESTER: Attester = SNPAttester()
