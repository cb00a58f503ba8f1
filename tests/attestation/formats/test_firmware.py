"""Firmware images: what they say of their memory, and what does not add up."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated.firmware import (
    PAGE,
    SEV,
    SEV_METADATA,
    TABLE,
    TDX,
    TDX_METADATA,
    image,
    sev_metadata,
    tdx_metadata,
)

from app.attestation.formats.firmware import (
    MAX_FIRMWARE_BYTES,
    Firmware,
    sev_sections,
    tdx_sections,
)
from app.trust.errors import MalformedFirmwareError, TooLargeError

IMAGE = image()
END = len(IMAGE) - 32


def changed(at: int, content: bytes) -> bytes:
    """The image with other bytes somewhere."""
    return IMAGE[:at] + content + IMAGE[at + len(content) :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        IMAGE[:-1],
        IMAGE[1:],
        bytes(31),
        changed(END - 18, b"\x11\x00"),
        changed(END - 18, b"\xff\xff"),
        changed(END - 36, b"\x11\x00"),
        changed(END - 36, b"\xff\x0f"),
    ],
    ids=[
        "nothing",
        "cut at the end",
        "cut at the start",
        "less than a table",
        "a table without room for its head",
        "a table beyond the image",
        "an entry without room for its head",
        "an entry beyond the table",
    ],
)
def test_refuses_an_image_that_does_not_add_up(data: bytes) -> None:
    """Truncated, or with sizes that lie."""
    with pytest.raises(MalformedFirmwareError):
        Firmware.parse(data)


def test_refuses_an_image_beyond_all_measure() -> None:
    """Nothing in it is looked at."""
    with pytest.raises(TooLargeError):
        Firmware.parse(bytes(MAX_FIRMWARE_BYTES + PAGE))


SEV_FAULTS: dict[str, Any] = {
    "no table": {"without": [TABLE]},
    "no entry": {"without": [SEV_METADATA]},
    "another signature": {"sev": sev_metadata(signature=b"ASEX")},
    "another version": {"sev": sev_metadata(version=2)},
    "no section": {"sev": sev_metadata(())},
    "more sections than any": {"sev": struct.pack("<4sIII", b"ASEV", 2**20, 1, 65)},
    "a size for fewer sections": {"sev": struct.pack("<4sIII", b"ASEV", 17, 1, 1)},
    "half a page": {"sev": sev_metadata([(0x800000, 0x800, 1)])},
    "an odd address": {"sev": sev_metadata([(0x800800, PAGE, 1)])},
    "an empty section": {"sev": sev_metadata([(0x800000, 0, 1)])},
    "sections that overlap": {"sev": sev_metadata([*SEV, (0x802000, PAGE, 1)])},
    "more memory than any": {"sev": sev_metadata([(0, 0x20000000, 1)])},
}


@pytest.mark.parametrize("parts", SEV_FAULTS.values(), ids=SEV_FAULTS)
def test_refuses_sev_metadata_that_do_not_add_up(parts: dict[str, Any]) -> None:
    """None at all, or none that anyone could start a guest by."""
    with pytest.raises(MalformedFirmwareError):
        sev_sections(Firmware.parse(image(**parts)))


CODE = TDX[0]
TDX_FAULTS: dict[str, Any] = {
    "a signature that is none": {"tdx": tdx_metadata(signature=b"TDVX")},
    "no signature at the pointer either": {
        "without": [TDX_METADATA],
        "tdx": tdx_metadata(signature=b"TDVX"),
    },
    "another version": {"tdx": tdx_metadata(version=2)},
    "no section": {"tdx": tdx_metadata(())},
    "more sections than any": {"tdx": struct.pack("<4sIII", b"TDVF", 2**20, 1, 65)},
    "data beyond the image": {"tdx": tdx_metadata([(0x5000, 0x2000, *CODE[2:])])},
    "data beyond their section": {"tdx": tdx_metadata([(*CODE[:3], PAGE, 0, 1)])},
    "half a page": {"tdx": tdx_metadata([(0, 0, 0x1000, 0x800, 3, 0)])},
    "sections that overlap": {"tdx": tdx_metadata([CODE, (0, 0, 0xFFFFF000, PAGE, 3, 0)])},
    "more memory than any": {"tdx": tdx_metadata([(0, 0, 0, 2**40, 3, 0)])},
}


@pytest.mark.parametrize("parts", TDX_FAULTS.values(), ids=TDX_FAULTS)
def test_refuses_tdvf_metadata_that_do_not_add_up(parts: dict[str, Any]) -> None:
    """None at all, or none that anyone could build a TD by."""
    with pytest.raises(MalformedFirmwareError):
        tdx_sections(Firmware.parse(image(**parts)))


@given(
    data=st.integers(0, 3).flatmap(
        lambda pages: st.binary(max_size=64).map(lambda b: b + bytes(pages * PAGE))
    )
)
def test_bytes_by_chance_end_in_a_reason(data: bytes) -> None:
    """Whatever they are, nothing else is raised."""
    readers: list[Callable[[Firmware], Any]] = [sev_sections, tdx_sections]
    for read in readers:
        with pytest.raises(MalformedFirmwareError):
            read(Firmware.parse(data))


@pytest.mark.parametrize("at", range(0x5000, 0x5500, 4))
def test_a_changed_word_of_the_metadata_is_refused_or_read(at: int) -> None:
    """Never past the end of the image, and never with another error."""
    firmware = Firmware.parse(changed(at, b"\xff\xff\xff\xff"))
    for read in (sev_sections, tdx_sections):
        try:
            assert read(firmware)
        except MalformedFirmwareError:
            continue


def test_sections_are_read_in_their_order() -> None:
    """As the image lists them."""
    firmware = Firmware.parse(IMAGE)
    assert [(each.address, each.size, each.kind) for each in sev_sections(firmware)] == list(SEV)
    code, variables, *others = tdx_sections(firmware)
    assert (code.data, code.is_measured, code.is_added) == (IMAGE[0x2000:], True, True)
    assert (variables.data, variables.is_measured) == (IMAGE[:0x2000], False)
    assert [(each.data, each.is_added) for each in others] == [
        (b"", True),
        (b"", True),
        (b"", False),
    ]


def test_tdvf_metadata_are_found_without_a_table() -> None:
    """Images from before it have a pointer 32 bytes before their end."""
    assert len(tdx_sections(Firmware.parse(image(without=[TABLE])))) == len(TDX)
