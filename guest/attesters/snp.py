"""AMD SEV-SNP: a report by the kernel, in the JSON that verifiers know (guest.md, section 3.4).

Through configfs-tsm where the kernel has it, which is from 6.7 on, and else by ioctl.
"""

from __future__ import annotations

from guest.attester import Attester, Devices, Place, pad_report_data, path_exists
from guest.wire.json_types import JSONValue

PROVIDER = "sev_guest"


class SNPAttester:
    """Asks the kernel for a report at the VMPL of the guest, with the host's certificates."""

    tee = "snp"
    rank = 30
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """The kernel reports through SEV-SNP, or has its device."""
        paths = devices.paths
        has_device = path_exists(paths.sev_guest) or path_exists(paths.sev_guest_node)
        return has_device or devices.tsm.provider() == PROVIDER

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"attestation_report","cert_chain"}``; ``cert_chain`` is null without certificates.

        Raises:
            AttesterError: no report could be made, or what the kernel gave does not parse.
        """
        from guest.devices.snp_report import certificate_table_json, report_json

        report, certificates = _report(pad_report_data(report_data), devices)
        return {
            "attestation_report": report_json(report),
            "cert_chain": certificate_table_json(certificates),
        }

    def init_data_field(self, devices: Devices) -> bytes:
        """HOST_DATA, 32 bytes, from a report of its own (guest.md, section 2.5).

        Raises:
            AttesterError: no report could be made, or what the kernel gave does not parse.
        """
        from guest.devices.snp_report import report_json

        report, _ = _report(pad_report_data(b""), devices)
        return bytes(report_json(report)["host_data"])


def _report(user_data: bytes, devices: Devices) -> tuple[bytes, bytes]:
    """Report and certificate table."""
    node = devices.paths.sev_guest_node
    if devices.tsm.provider() != PROVIDER and path_exists(node):
        # Only kernels without the one interface need the other.
        from guest.devices.sev_guest import extended_report

        found = extended_report(node, user_data, devices.nodes, devices.clock)
        return found.report, found.certificates
    made = devices.tsm.report(PROVIDER, user_data)
    return made.outblob, made.auxblob


ATTESTER: Attester = SNPAttester()
