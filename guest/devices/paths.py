"""Where the kernel and the runtimes put what attesters read; tests put it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Where Trustee's guests expect the attestation key of a TPM (guest.md, section 3.10).
DEFAULT_AK_HANDLE = 0x81010002
# Azure's metadata service, which is in the host and answers on a link-local address only.
AZURE_METADATA = "http://169.254.169.254"


@dataclass(frozen=True, slots=True)
class DevicePaths:
    """Files and folders of the TEEs.

    Attributes:
        tsm_report: folder of configfs-tsm report requests (Documentation/ABI, configfs-tsm-report).
        tdx_guest: character device of a TDX guest.
        tdx_measurements: folder of a TDX guest's registers, in kernels from 6.16 on.
        sev_guest: platform device of an SEV-SNP guest.
        sev_guest_node: character device of an SEV-SNP guest, for kernels without configfs-tsm.
        gramine: folder of Gramine's attestation pseudo-files.
        ccel: the firmware's event log of the confidential computing event log table of ACPI.
        event_log: what the Attestation Agent logs of runtime measurements.
        tpm: character device of a TPM 2.0, or a Unix socket that speaks like one.
        csv_guest: character device of a Hygon CSV guest.
        uv: character device of the ultravisor, for Secure Execution guests.
        uv_guest: says ``1`` in a Secure Execution guest.
        dcu: character device of Hygon's accelerators.
        dcu_nodes: folder of the accelerators' topology.
        nvidia: control device of NVIDIA's driver.
    """

    tsm_report: Path = Path("/sys/kernel/config/tsm/report")
    tdx_guest: Path = Path("/dev/tdx_guest")
    sev_guest: Path = Path("/sys/devices/platform/sev-guest")
    gramine: Path = Path("/dev/attestation")
    ccel: Path = Path("/sys/firmware/acpi/tables/data/CCEL")
    tdx_measurements: Path = Path("/sys/devices/virtual/misc/tdx_guest/measurements")
    sev_guest_node: Path = Path("/dev/sev-guest")
    event_log: Path = Path("/run/attestation-agent/eventlog")
    tpm: Path = Path("/dev/tpmrm0")
    csv_guest: Path = Path("/dev/csv-guest")
    uv: Path = Path("/dev/uv")
    uv_guest: Path = Path("/sys/firmware/uv/prot_virt_guest")
    dcu: Path = Path("/dev/mkfd")
    dcu_nodes: Path = Path("/sys/devices/virtual/kfd/kfd/topology/nodes")
    nvidia: Path = Path("/dev/nvidiactl")
