"""The SEV-SNP attestation report: 1184 bytes, little endian.

Source: AMD publication 56860, "SEV Secure Nested Paging Firmware ABI Specification", tables
"ATTESTATION_REPORT" and "TCB_VERSION".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from app.trust.errors import MalformedEvidenceError

REPORT_BYTES = 1184
SIGNED_BYTES = 0x2A0
_VERSIONS = range(2, 6)
SIGNATURE_PART_BYTES = 72

# Offset and length of what the specification reserves, which must be zero.
_RESERVED = ((0x4C, 4), (0x18B, 21), (0x1EB, 1), (0x1EF, 1), (0x208, 152), (0x330, 368))
_RESERVED_BEFORE_3 = (0x188, 3)
_RESERVED_BEFORE_5 = (0x1F8, 16)
TCB_OFFSETS = {
    "current_tcb": 0x38,
    "reported_tcb": 0x180,
    "committed_tcb": 0x1E0,
    "launch_tcb": 0x1F0,
}


class Generation(Enum):
    """A generation of EPYC processors; each has a root of its own."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"


@dataclass(frozen=True, slots=True)
class TCB:
    """Security patch levels, each 0..255.

    Attributes:
        bootloader: of the PSP's boot loader.
        tee: of the PSP's operating system.
        snp: of the SNP firmware.
        microcode: of the processor.
        fmc: of the firmware of the mobility component; on Turin only.
    """

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int | None = None

    @classmethod
    def parse(cls, data: bytes, generation: Generation | None) -> TCB:
        """The levels in 8 bytes; ``None`` means Milan or Genoa, which share a layout.

        Raises:
            MalformedEvidenceError: a reserved byte is not zero.
        """
        if generation is Generation.TURIN:
            reserved, tcb = data[4:7], cls(data[1], data[2], data[3], data[7], data[0])
        else:
            reserved, tcb = data[2:6], cls(data[0], data[1], data[6], data[7])
        if any(reserved):
            raise MalformedEvidenceError("a reserved byte of a TCB version is not zero")
        return tcb


@dataclass(frozen=True, slots=True)
class SNPReport:
    """A report whose bytes are well formed; unverified until its signature is checked.

    Attributes:
        encoded: its 1184 bytes.
        version: 2 to 5.
        generation: of the processor; ``None`` in version 2, where only Turin can be told.
        policy: the guest's policy bits.
        vmpl: the privilege level that asked, 0 to 3 (or more in forged ones).
        signature_algorithm: 1 is ECDSA on P-384 with SHA-384.
        platform: the platform's bits.
        key: bits about the keys.
        report_data: 64 bytes that the guest chose.
        measurement: 48 bytes, the launch digest.
        host_data: 32 bytes that the host chose at launch.
        reported_tcb: the TCB that the signing key was derived for.
        chip_id: 64 bytes, all zero when masked.
        r: of the signature.
        s: of the signature.
    """

    encoded: bytes
    version: int
    generation: Generation | None
    policy: int
    vmpl: int
    signature_algorithm: int
    platform: int
    key: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    reported_tcb: TCB
    chip_id: bytes
    r: int
    s: int

    @classmethod
    def parse(cls, data: bytes) -> SNPReport:
        """Read the 1184 bytes.

        Raises:
            MalformedEvidenceError: another length, an unknown version or processor, or a reserved
                byte that is not zero.
        """
        if len(data) != REPORT_BYTES:
            raise MalformedEvidenceError(f"a report of {len(data)} bytes in the place of 1184")
        version = _number(data, 0x000, 4)
        _check_reserved(data, version)
        chip_id = data[0x1A0:0x1E0]
        generation = generation_of(version, data[0x188], data[0x189], chip_id)
        tcbs = {name: TCB.parse(data[at : at + 8], generation) for name, at in TCB_OFFSETS.items()}
        return cls(
            encoded=data,
            version=version,
            generation=generation,
            policy=_number(data, 0x008, 8),
            vmpl=_number(data, 0x030, 4),
            signature_algorithm=_number(data, 0x034, 4),
            platform=_number(data, 0x040, 8),
            key=_number(data, 0x048, 4),
            report_data=data[0x050:0x090],
            measurement=data[0x090:0x0C0],
            host_data=data[0x0C0:0x0E0],
            reported_tcb=tcbs["reported_tcb"],
            chip_id=chip_id,
            r=_number(data, SIGNED_BYTES, SIGNATURE_PART_BYTES),
            s=_number(data, SIGNED_BYTES + SIGNATURE_PART_BYTES, SIGNATURE_PART_BYTES),
        )

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return self.encoded[:SIGNED_BYTES]

    @property
    def signing_key(self) -> int:
        """Which key signed: 0 VCEK, 1 VLEK, 7 none."""
        return self.key >> 2 & 0b111

    @property
    def is_chip_masked(self) -> bool:
        """Whether the chip id is withheld."""
        return not any(self.chip_id)

    @property
    def has_short_chip_id(self) -> bool:
        """Whether the chip id has 8 bytes, as on Turin, and zeros after them."""
        return self.generation is Generation.TURIN and not any(self.chip_id[8:])


def generation_of(version: int, family: int, model: int, chip_id: bytes) -> Generation | None:
    """The generation that a report names; ``None`` when its version is too old to name one.

    Args:
        version: of the report.
        family: of the processor, as CPUID tells it; not read before version 3.
        model: of the processor, likewise.
        chip_id: 64 bytes.

    Raises:
        MalformedEvidenceError: no known generation.
    """
    if version < 3:
        # Before processors were named, a Turin could be told by its chip id of 8 bytes.
        is_turin = any(chip_id[:8]) and not any(chip_id[8:])
        return Generation.TURIN if is_turin else None
    if family == 0x19 and model <= 0x0F:
        return Generation.MILAN
    if family == 0x19 and (0x10 <= model <= 0x1F or 0xA0 <= model <= 0xAF):
        return Generation.GENOA
    if family == 0x1A and model <= 0x11:
        return Generation.TURIN
    raise MalformedEvidenceError(f"unknown processor: family {family:#x}, model {model:#x}")


def _number(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


def _check_reserved(data: bytes, version: int) -> None:
    if version not in _VERSIONS:
        raise MalformedEvidenceError(f"a report of version {version}, known are 2 to 5")
    reserved = list(_RESERVED)
    if version < 3:
        reserved.append(_RESERVED_BEFORE_3)
    if version < 5:
        reserved.append(_RESERVED_BEFORE_5)
    if any(any(data[offset : offset + size]) for offset, size in reserved):
        raise MalformedEvidenceError("a reserved byte of the report is not zero")
