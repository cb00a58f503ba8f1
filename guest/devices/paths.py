"""Where the kernel and the runtimes put what attesters read; tests put it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DevicePaths:
    """Files and folders of the TEEs.

    Attributes:
        tsm_report: folder of configfs-tsm report requests (Documentation/ABI, configfs-tsm-report).
        tdx_guest: character device of a TDX guest.
        tdx_measurements: folder of a TDX guest's registers, in kernels from 6.16 on.
        sev_guest: platform device of an SEV-SNP guest.
        gramine: folder of Gramine's attestation pseudo-files.
        ccel: the firmware's event log of the confidential computing event log table of ACPI.
    """

    tsm_report: Path = Path("/sys/kernel/config/tsm/report")
    tdx_guest: Path = Path("/dev/tdx_guest")
    sev_guest: Path = Path("/sys/devices/platform/sev-guest")
    gramine: Path = Path("/dev/attestation")
    ccel: Path = Path("/sys/firmware/acpi/tables/data/CCEL")
    tdx_measurements: Path = Path("/sys/devices/virtual/misc/tdx_guest/measurements")
