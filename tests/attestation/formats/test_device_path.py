"""Device paths as text: the forms of the specification, and bytes that are none of them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.dcap_site import refusal

from app.attestation.formats.device_path import device_path_texts
from app.trust.errors import MalformedEvidenceError


def node(kind: int, subtype: int, data: bytes) -> bytes:
    """One node."""
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data


MALFORMED = {
    "no node": b"",
    "a header of three bytes": b"\x01\x01\x06",
    "a node shorter than its header": b"\x01\x01\x03\x00",
    "a node of length zero": bytes(4),
    "a node longer than the path": b"\x01\x01\xff\xff\x00\x00",
    "a rest behind the last node": node(1, 1, b"\0\0") + b"\x01",
}


@pytest.mark.parametrize("path", MALFORMED.values(), ids=MALFORMED)
def test_refuses_nodes_that_do_not_fill_the_path(path: bytes) -> None:
    """Lengths are believed only as far as there are bytes."""
    with pytest.raises(MalformedEvidenceError):
        device_path_texts(path)


GUID = bytes.fromhex("72f728144ab61e44b8c39ebdd7f893c7")
DISK = bytes.fromhex("0f000000002800000000000000500300000000005e27f1007553d5439eb5de2add4c9932")

NODES = {
    "PCI": (1, 1, b"\x00\x03", "Pci(0,3)"),
    "PCI of one byte": (1, 1, b"\x00", "Path(1,1,00)"),
    "ACPI": (2, 1, bytes.fromhex("d041030a02000000"), "ACPI(PNP0A03,2)"),
    "USB": (3, 5, b"\x01\x02", "USB(1,2)"),
    "MAC": (3, 0x0B, bytes.fromhex("001320f5fa77") + bytes(26) + b"\x01", "Mac(001320F5FA77,0x01)"),
    "IPv4": (
        3,
        0x0C,
        bytes.fromhex("0100a8c06400a8c00000bc0c0600010000000000000000"),
        "IPv4(192.168.0.100,TCP,Static,192.168.0.1)",
    ),
    "IPv4 with a gateway": (
        3,
        0x0C,
        bytes.fromhex("0100a8c06400a8c00000bc0c1100000100000002000000"),
        "IPv4(192.168.0.100,UDP,DHCP,192.168.0.1,1,2)",
    ),
    "fibre channel": (
        3,
        0x15,
        bytes(range(8)) + bytes(range(8)),
        "FibreEx(0x0001020304050607,0x0001020304050607)",
    ),
    "NVMe, which has no text here": (3, 0x17, b"\x01\x00", "Path(3,23,0100)"),
    "a GPT partition": (
        4,
        1,
        DISK + b"\x02\x02",
        "HD(15,GPT,00F1275E-5375-43D5-9EB5-DE2ADD4C9932,0x2800,0x35000)",
    ),
    "an MBR disk": (
        4,
        1,
        bytes(20) + b"\x43\x12\x02\xa0" + bytes(12) + b"\x01\x01",
        "HD(0,MBR,0xa0021243)",
    ),
    "a disk of another kind": (4, 1, bytes(36) + b"\x03\x00", f"Path(4,1,{'00' * 36}0300)"),
    "a disk cut short": (4, 1, bytes(36), f"Path(4,1,{'00' * 36})"),
    "vendor media": (4, 3, GUID + b"\xab", "VenMedia(1428F772-B64A-441E-B8C3-9EBDD7F893C7,ab)"),
    "vendor media cut short": (4, 3, b"\x00", "Path(4,3,00)"),
    "a file": (4, 4, "kernel\0".encode("utf-16-le"), "File(kernel)"),
    "a file of odd length": (4, 4, b"\x00", "Path(4,4,00)"),
    "a BIOS device": (5, 1, bytes.fromhex("8000000041424300"), "BBS(DEV,ABC,0)"),
    "a BIOS device of unknown type": (5, 1, bytes.fromhex("f0ff050000"), "BBS(65520,,5)"),
    "a BIOS device that is no text": (5, 1, b"\x01\x00\x00\x00\xff", "Path(5,1,01000000ff)"),
    "an unknown type": (6, 1, b"", "Path(6,1,)"),
}


@pytest.mark.parametrize(("kind", "subtype", "data", "text"), NODES.values(), ids=NODES)
def test_nodes_have_the_texts_that_policies_know(
    kind: int, subtype: int, data: bytes, text: str
) -> None:
    """Known forms as the specification spells them, all else as hex."""
    assert device_path_texts(node(kind, subtype, data)) == [text]


def test_a_path_of_ten_thousand_nodes_does_not_recurse() -> None:
    """The longest path that fits into an event is read in a loop."""
    assert len(device_path_texts(node(6, 1, b"") * 10_000)) == 10_000


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 25), st.binary(max_size=50))))
def test_any_bytes_of_any_node_have_a_text(nodes: list[tuple[int, int, bytes]]) -> None:
    """One text for each node, whatever is in it."""
    path = b"".join(node(*each) for each in nodes)
    if nodes:
        assert len(device_path_texts(path)) == len(nodes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_noise_is_malformed_or_parses(noise: bytes) -> None:
    """Nothing but the one error leaves."""
    assert refusal(lambda: device_path_texts(noise)) in {"accepted", "malformed-evidence"}
