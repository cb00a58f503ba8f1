"""The launch measurement of a SEV-SNP guest, by the library of ``sev-snp-measure``.

Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification", section 8.17 (SNP_LAUNCH_UPDATE:
what each page adds to the digest). The library knows how QEMU, EC2 and Google start virtual CPUs;
it takes images as they come, so they are looked through here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from app.attestation.computing import Computed, load, told_digest
from app.attestation.formats.firmware import (
    MAX_FIRMWARE_BYTES,
    PAGE_BYTES,
    SEV_HASHES,
    SEV_RESET,
    Firmware,
    SEVSection,
    sev_sections,
)
from app.trust.errors import (
    MalformedFirmwareError,
    MalformedRequestError,
    MissingExtraError,
    UnknownVCPUTypeError,
)

# The library holds each of them in memory.
MAX_KERNEL_BYTES = 2**30
MAX_VCPUS = 1024
# Of the signature that CPUID gives; AMD's processors stay below.
_MAX_SIGNATURE = 2**32
_MAX_FEATURES = 2**64
_KERNEL_HASHES = 0x10
_KINDS = frozenset({1, 2, 3, 4, _KERNEL_HASHES})


class VMM(StrEnum):
    """Who starts the guest; each gives virtual CPUs other registers."""

    QEMU = "qemu"
    EC2 = "ec2"
    GCE = "gce"


@dataclass(frozen=True, slots=True)
class SNPGuest:
    """What a guest is started from.

    Attributes:
        firmware: OVMF with SEV metadata.
        vcpus: numbers of virtual CPUs that guests may have; each gives a measurement.
        vcpu_type: as QEMU names it, such as ``EPYC-v4``; or
        vcpu_signature: of CPUID function 1, EAX.
        kernel: that the host hands to the firmware, and its
        initrd: and
        command_line: nothing of these when the guest boots from its disk.
        features: SEV features of the guest; bit 0 is SEV-SNP.
    """

    firmware: Path
    vcpus: tuple[int, ...]
    vcpu_type: str | None = None
    vcpu_signature: int | None = None
    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str | None = None
    features: int = 1
    vmm: VMM = VMM.QEMU


def compute_snp(guest: SNPGuest) -> Computed:
    """``snp_launch_measurement``: one digest for each number of virtual CPUs.

    Raises:
        MissingExtraError: the library is not installed.
        MalformedRequestError: a file cannot be read, or a number cannot be.
        TooLargeError: a file is too large.
        UnknownVCPUTypeError: no signature of this type of virtual CPU is known.
        MalformedFirmwareError: the image is not built for SEV-SNP, does not take a kernel, or does
            not add up.
    """
    if find_spec("sevsnpmeasure") is None:
        raise MissingExtraError("SEV-SNP needs the extra vouchgate[compute], sev-snp-measure")
    _check_numbers(guest)
    signature = _signature(guest)
    inputs = _inputs(guest)
    measurements = [_measure(guest, vcpus, signature).hex() for vcpus in guest.vcpus]
    values = {"snp_launch_measurement": list(dict.fromkeys(measurements))}
    return Computed("snp", values, inputs)


def vcpu_types() -> Mapping[str, int]:
    """The signature of each type of virtual CPU that is known by a name."""
    from sevsnpmeasure.vcpu_types import CPU_SIGS

    return dict(CPU_SIGS)


def _check_numbers(guest: SNPGuest) -> None:
    if not guest.vcpus or not all(1 <= vcpus <= MAX_VCPUS for vcpus in guest.vcpus):
        raise MalformedRequestError(f"a guest has 1 to {MAX_VCPUS} virtual CPUs")
    if not 1 <= guest.features < _MAX_FEATURES or not guest.features & 1:
        raise MalformedRequestError("the features of a SEV-SNP guest are 64 bits, the lowest is 1")
    if guest.kernel is None and (guest.initrd is not None or guest.command_line is not None):
        raise MalformedRequestError("an initrd and a command line go with a kernel")
    if "\0" in (guest.command_line or ""):
        raise MalformedRequestError("a command line holds no NUL")


def _signature(guest: SNPGuest) -> int:
    if (guest.vcpu_type is None) == (guest.vcpu_signature is None):
        raise MalformedRequestError("virtual CPUs have either a type or a signature")
    if guest.vcpu_signature is not None:
        if not 0 <= guest.vcpu_signature < _MAX_SIGNATURE:
            raise MalformedRequestError("the signature of a virtual CPU has 32 bits")
        return guest.vcpu_signature
    known = vcpu_types()
    signature = known.get(guest.vcpu_type or "")
    if signature is None:
        raise UnknownVCPUTypeError(f"a type of virtual CPU is one of: {', '.join(known)}")
    return signature


def _inputs(guest: SNPGuest) -> dict[str, str]:
    """What the guest is started from, looked through."""
    image = load(guest.firmware, MAX_FIRMWARE_BYTES)
    _check_firmware(Firmware.parse(image), takes_kernel=guest.kernel is not None)
    told = {"firmware": told_digest(image)}
    for name, path in (("kernel", guest.kernel), ("initrd", guest.initrd)):
        if path is not None:
            told[name] = told_digest(load(path, MAX_KERNEL_BYTES))
    if guest.command_line is not None:
        told["command line"] = told_digest(guest.command_line.encode())
    cpu = guest.vcpu_type or f"{guest.vcpu_signature:#x}"
    counts = "/".join(str(vcpus) for vcpus in guest.vcpus)
    return told | {"vcpus": f"{counts} {cpu}", "vmm": guest.vmm}


def _check_firmware(firmware: Firmware, *, takes_kernel: bool) -> None:
    sections = sev_sections(firmware)
    if any(section.kind not in _KINDS for section in sections):
        raise MalformedFirmwareError("the SEV metadata have a section of an unknown kind")
    firmware.number(SEV_RESET, "reset address for further virtual CPUs")
    if takes_kernel:
        _check_kernel_hashes(firmware, sections)


def _check_kernel_hashes(firmware: Firmware, sections: list[SEVSection]) -> None:
    """One page has a place for the digests of kernel, initrd and command line."""
    what = "place for the digests of a kernel: it boots from a disk only"
    address = firmware.number(SEV_HASHES, what)
    pages = [each for each in sections if each.kind == _KERNEL_HASHES]
    page = address - address % PAGE_BYTES
    if address == 0 or [(each.address, each.size) for each in pages] != [(page, PAGE_BYTES)]:
        raise MalformedFirmwareError(f"the firmware has no {what}")


def _measure(guest: SNPGuest, vcpus: int, signature: int) -> bytes:
    from sevsnpmeasure.guest import snp_calc_launch_digest
    from sevsnpmeasure.vmm_types import VMMType

    try:
        digest: bytes = snp_calc_launch_digest(
            vcpus,
            signature,
            str(guest.firmware),
            str(guest.kernel) if guest.kernel is not None else "",
            str(guest.initrd) if guest.initrd is not None else "",
            guest.command_line or "",
            guest.features,
            "",
            {VMM.QEMU: VMMType.QEMU, VMM.EC2: VMMType.ec2, VMM.GCE: VMMType.gce}[guest.vmm],
        )
    except (ValueError, RuntimeError, AssertionError) as error:
        raise MalformedFirmwareError("the firmware cannot be measured") from error
    return digest
