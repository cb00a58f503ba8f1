"""The launch measurement of SEV-SNP guests, beside a second implementation of its own."""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from simulated.firmware import (
    HASHES,
    PAGE,
    RESET,
    SEV,
    SEV_HASHES,
    SEV_METADATA,
    SEV_RESET,
    image,
    sev_metadata,
)

from app.attestation.computing.snp import MAX_KERNEL_BYTES, VMM, SNPGuest, compute_snp
from app.attestation.formats.firmware import MAX_FIRMWARE_BYTES
from app.trust.errors import (
    DomainError,
    MalformedFirmwareError,
    MalformedRequestError,
    MissingExtraError,
    TooLargeError,
    UnknownVCPUTypeError,
)

# CPUID function 1, EAX, of family 25, model 1, stepping 1.
MILAN = 0x00A00F11


def vmsa(entry_point: int, signature: int, features: int) -> bytes:
    """The registers that QEMU gives a virtual CPU (AMD64 APM, volume 2, table B-4)."""
    page = bytearray(PAGE)
    segments = {
        0x00: (0, 0x93, 0xFFFF, 0),
        0x10: (0xF000, 0x9B, 0xFFFF, entry_point & 0xFFFF0000),
        **dict.fromkeys((32, 48, 64, 80), (0, 147, 65535, 0)),
        **dict.fromkeys((96, 128), (0, 0, 65535, 0)),
        0x70: (0, 0x82, 0xFFFF, 0),
        0x90: (0, 0x8B, 0xFFFF, 0),
    }
    for at, segment in segments.items():
        struct.pack_into("<HHIQ", page, at, *segment)
    registers = {
        0xD0: 0x1000,
        0x148: 0x40,
        0x158: 0x10,
        0x160: 0x400,
        0x168: 0xFFFF0FF0,
        0x170: 0x2,
        0x178: entry_point & 0xFFFF,
        0x268: 0x0007040600070406,
        0x310: signature,
        0x3B0: features,
        0x3E8: 1,
    }
    for at, value in registers.items():
        struct.pack_into("<Q", page, at, value)
    struct.pack_into("<I", page, 0x408, 0x1F80)
    struct.pack_into("<H", page, 0x410, 0x37F)
    return bytes(page)


def kernel_page(kernel: bytes, initrd: bytes, command_line: str) -> bytes:
    """The page with the digests of what the host hands over, as QEMU writes it."""
    digests = (
        ("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", command_line.encode() + b"\0"),
        ("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd),
        ("4de79437-abd2-427f-b835-d5b172d2045b", kernel),
    )
    entries = b"".join(
        UUID(guid).bytes_le + struct.pack("<H", 50) + hashlib.sha256(content).digest()
        for guid, content in digests
    )
    table = UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le + struct.pack("<H", 168) + entries
    return (bytes(HASHES % PAGE) + table).ljust(PAGE, b"\0")


class Launch:
    """The digest of a launch (SEV-SNP firmware ABI, section 8.17, PAGE_INFO)."""

    def __init__(self) -> None:
        self.digest = bytes(48)

    def add(self, kind: int, address: int, content: bytes | None = None) -> None:
        """A page; one without content counts by its kind and address only."""
        told = bytes(48) if content is None else hashlib.sha384(content).digest()
        info = self.digest + told + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address)
        self.digest = hashlib.sha384(info).digest()


def expected(vcpus: int, handed: bytes | None = None, features: int = 1) -> str:
    """What the firmware of the tests gives; ``handed`` is the page with digests of a kernel."""
    launch, firmware = Launch(), image()
    for at in range(0, len(firmware), PAGE):
        launch.add(1, 2**32 - len(firmware) + at, firmware[at : at + PAGE])
    for address, size, kind in SEV:
        page_kind = {1: 3, 2: 5, 3: 6, 0x10: 3 if handed is None else 1}[kind]
        for at in range(address, address + size, PAGE):
            launch.add(page_kind, at, handed if page_kind == 1 else None)
    for number in range(vcpus):
        start = 0xFFFFFFF0 if number == 0 else RESET
        launch.add(2, 0xFFFFFFFFF000, vmsa(start, MILAN, features))
    return launch.digest.hex()


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """The firmware of the tests."""
    path = tmp_path / "OVMF.fd"
    path.write_bytes(image())
    return path


def measured(**parts: Any) -> Any:
    """The measurements of a guest with one virtual CPU, with some parts replaced."""
    guest = {"vcpus": (1,), "vcpu_type": "EPYC-Milan"} | parts
    return compute_snp(SNPGuest(**guest)).values["snp_launch_measurement"]


def test_a_guest_that_boots_from_its_disk(firmware: Path) -> None:
    """By the firmware and the virtual CPUs alone; one measurement for each number of them."""
    assert measured(firmware=firmware, vcpus=(1, 3, 1)) == [expected(1), expected(3)]


def test_a_guest_that_is_handed_its_kernel(firmware: Path, tmp_path: Path) -> None:
    """Kernel, initrd and command line change the measurement, each of them."""
    kernel, initrd = tmp_path / "vmlinuz", tmp_path / "initrd.img"
    kernel.write_bytes(b"kernel")
    initrd.write_bytes(b"initrd")
    parts = {"firmware": firmware, "kernel": kernel}
    whole = kernel_page(b"kernel", b"initrd", "quiet")
    assert measured(**parts, initrd=initrd, command_line="quiet") == [expected(1, whole)]
    assert measured(**parts) == [expected(1, kernel_page(b"kernel", b"", ""))]


def test_a_virtual_cpu_by_its_signature(firmware: Path) -> None:
    """The name of a type stands for a signature, and features are measured, too."""
    parts = {"firmware": firmware, "vcpu_type": None, "vcpu_signature": MILAN}
    assert measured(**parts, features=0x21) == [expected(1, features=0x21)]


def test_each_host_starts_virtual_cpus_its_own_way(firmware: Path) -> None:
    """So the measurement is for one of them."""
    found = {measured(firmware=firmware, vmm=vmm)[0] for vmm in VMM}
    assert len(found) == len(VMM)


def test_the_source_tells_what_went_in(firmware: Path) -> None:
    """Whoever looks at the value later can tell the build."""
    digest = hashlib.sha256(image()).hexdigest()[:16]
    computed = compute_snp(SNPGuest(firmware, (1, 2), "EPYC-Milan"))
    told = f"computed for snp: firmware {digest}, vcpus 1/2 EPYC-Milan, vmm qemu"
    assert computed.source == told


@pytest.mark.parametrize(
    ("parts", "refusal"),
    [
        ({"vcpus": ()}, MalformedRequestError),
        ({"vcpus": (0,)}, MalformedRequestError),
        ({"vcpus": (1, 1025)}, MalformedRequestError),
        ({"vcpu_type": "EPYC-Vienna"}, UnknownVCPUTypeError),
        ({"vcpu_type": None}, MalformedRequestError),
        ({"vcpu_signature": 1}, MalformedRequestError),
        ({"vcpu_type": None, "vcpu_signature": 2**32}, MalformedRequestError),
        ({"vcpu_type": None, "vcpu_signature": -1}, MalformedRequestError),
        ({"features": 0}, MalformedRequestError),
        ({"features": 2}, MalformedRequestError),
        ({"features": 2**64 + 1}, MalformedRequestError),
        ({"command_line": "quiet"}, MalformedRequestError),
        ({"initrd": Path("x")}, MalformedRequestError),
        ({"kernel": Path("/nowhere")}, MalformedRequestError),
        ({"kernel": Path("/")}, MalformedRequestError),
        ({"kernel": Path("/dev/zero")}, MalformedRequestError),
        ({"kernel": Path(__file__), "command_line": "a\0b"}, MalformedRequestError),
        ({"firmware": Path("/nowhere")}, MalformedRequestError),
    ],
)
def test_refuses_what_no_guest_is_started_from(
    firmware: Path, parts: dict[str, Any], refusal: type[DomainError]
) -> None:
    """A reason code for each, and no measurement that nobody will ever meet."""
    with pytest.raises(refusal):
        measured(**({"firmware": firmware} | parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"without": [SEV_METADATA]},
        {"without": [SEV_RESET]},
        {"sev": sev_metadata([(0x800000, PAGE, 9)])},
    ],
    ids=["no metadata", "no reset address", "a section of an unknown kind"],
)
def test_refuses_a_firmware_that_is_not_for_it(firmware: Path, parts: dict[str, Any]) -> None:
    """The library would take some of them, or fail with a traceback."""
    firmware.write_bytes(image(**parts))
    with pytest.raises(MalformedFirmwareError):
        measured(firmware=firmware)


@pytest.mark.parametrize(
    "parts",
    [
        {"hashes": 0},
        {"without": [SEV_HASHES]},
        {"sev": sev_metadata(SEV[:3])},
        {"hashes": HASHES + PAGE},
        {"sev": sev_metadata([*SEV[:3], (0x80F000, 2 * PAGE, 0x10)])},
    ],
)
def test_refuses_a_firmware_that_takes_no_kernel(firmware: Path, parts: dict[str, Any]) -> None:
    """Its guest would boot whatever kernel the host likes."""
    firmware.write_bytes(image(**parts))
    with pytest.raises(MalformedFirmwareError):
        measured(firmware=firmware, kernel=Path(__file__))


def test_refuses_huge_files_unread(firmware: Path, tmp_path: Path) -> None:
    """A sparse file of a terabyte costs nothing."""
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(2**40)
    for parts, most in (
        ({"firmware": huge}, MAX_FIRMWARE_BYTES),
        ({"firmware": firmware, "kernel": huge}, MAX_KERNEL_BYTES),
        ({"firmware": firmware, "kernel": firmware, "initrd": huge}, MAX_KERNEL_BYTES),
    ):
        with pytest.raises(TooLargeError, match=str(most)):
            measured(**parts)


def test_says_which_package_is_missing(firmware: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is an extra of the server."""
    monkeypatch.setitem(sys.modules, "sevsnpmeasure", None)
    with pytest.raises(MissingExtraError, match=r"vouchgate\[compute\]"):
        measured(firmware=firmware)
