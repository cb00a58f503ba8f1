"""Claims about the registers of a TPM (PCRs), the same for each TEE that quotes them."""

from __future__ import annotations

from dataclasses import replace

from app.attestation.claim_dictionary.claims import Claim, Direction

_PROFILE = "TCG PC Client Platform Firmware Profile, section 3.3.4, PCR usage"
_UAPI = "UAPI Group, Linux TPM PCR Registry"
_COCO = "Confidential Containers, init data in PCR 8"

_USES = {
    0: ("the firmware itself", _PROFILE),
    1: ("the configuration of the firmware", _PROFILE),
    2: ("option ROMs and drivers that were loaded", _PROFILE),
    3: ("the configuration of option ROMs and drivers", _PROFILE),
    4: ("boot loaders and images that the firmware started", _PROFILE),
    5: ("partition table and configuration of the boot loader", _PROFILE),
    6: ("what the manufacturer of the machine chooses", _PROFILE),
    7: ("whether Secure Boot is on, and its keys and lists", _PROFILE),
    8: ("init data in confidential guests; the command line with GRUB", _COCO),
    9: ("files that the boot loader read, such as the initrd", _UAPI),
    10: ("files that the kernel's IMA measured", _UAPI),
    11: ("the unified kernel image (UKI) and the phases of its boot", _UAPI),
    12: ("the kernel's command line and its credentials", _UAPI),
    13: ("extension images of the system", _UAPI),
    14: ("the keys of shim (MOK)", _UAPI),
    15: ("identity of the system: machine id, file systems", _UAPI),
    16: ("debugging; anyone may reset it", _PROFILE),
    23: ("applications; anyone may reset it", _PROFILE),
}


def register_claims(pcr11_names: tuple[str, ...]) -> tuple[Claim, ...]:
    """``pcr00`` to ``pcr23``.

    Args:
        pcr11_names: the reference values that the default policies read for PCR 11.
    """
    claims = []
    for number in range(24):
        use, source = _USES.get(number, ("a dynamic launch (DRTM)", _PROFILE))
        direction = Direction.INFORMATIVE if number in (16, 23) else Direction.EQUAL
        claims.append(
            Claim(f"pcr{number:02}", "hex, 32 bytes", direction, f"PCR {number}: {use}.", source)
        )
    claims[11] = replace(claims[11], reference_values=pcr11_names)
    return tuple(claims)
