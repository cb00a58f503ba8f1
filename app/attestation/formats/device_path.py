"""UEFI device paths as text, node by node.

Source: UEFI Specification 2.10, section 10.3 (nodes) and 10.6.1.6 (their text). The spellings are
Trustee's, quirks included, because policies compare with them. A node that is unknown, or not of
its form, is shown as ``Path(type,subtype,hex)``.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from ipaddress import IPv4Address

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import MalformedEvidenceError

_HEADER_BYTES = 4

_PROTOCOLS = {6: "TCP", 17: "UDP"}
_ADDRESS_ORIGINS = {0: "DHCP", 1: "Static"}
_BOOT_DEVICES = {
    0x01: "FLOPPY",
    0x02: "HARD_DRIVE",
    0x03: "CDROM",
    0x04: "PCMCIA",
    0x05: "USB",
    0x06: "EMBEDDED_NETWORK",
    0x80: "DEV",
    0xFF: "UNKNOWN",
}


class _UnknownFormError(Exception):
    """A node of a known type whose bytes are not of its form."""


def device_path_texts(data: bytes) -> list[str]:
    """The texts of all nodes; the path comes without its end node.

    Raises:
        MalformedEvidenceError: there is no node, or the nodes do not fill the path.
    """
    reader = ByteReader(data, "a device path")
    texts: list[str] = []
    while reader.remaining or not texts:
        kind, subtype = reader.integer(1), reader.integer(1)
        length = reader.integer(2)
        if length < _HEADER_BYTES:
            raise MalformedEvidenceError("a node of a device path is shorter than its header")
        texts.append(_text(kind, subtype, reader.take(length - _HEADER_BYTES)))
    return texts


def _text(kind: int, subtype: int, data: bytes) -> str:
    read = _READERS.get((kind, subtype))
    if read is not None:
        try:
            return read(data)
        except (_UnknownFormError, struct.error, UnicodeDecodeError):
            pass
    return f"Path({kind},{subtype},{data.hex()})"


def _pci(data: bytes) -> str:
    return "Pci({},{})".format(*struct.unpack_from("<BB", data))


def _acpi(data: bytes) -> str:
    vendor, device, uid = struct.unpack_from("<HHI", data)
    # Three letters of five bits each, as EISA ids pack them.
    letters = "".join(chr(((vendor >> shift) & 0x1F) + ord("@")) for shift in (10, 5, 0))
    return f"ACPI({letters}{device:04X},{uid})"


def _usb(data: bytes) -> str:
    return "USB({},{})".format(*struct.unpack_from("<BB", data))


def _mac(data: bytes) -> str:
    address, interface = struct.unpack_from("<31sxB", data)
    # The address is padded with zeros to 32 bytes, and its length is not stored.
    return f"Mac({address.hex().rstrip('0').upper()},0x{interface:02X})"


def _ipv4(data: bytes) -> str:
    local, remote, _, _, protocol, origin, gateway, mask = struct.unpack_from("<IIHHHBII", data)
    parts = [
        str(IPv4Address(remote)),
        _PROTOCOLS.get(protocol, ""),
        _ADDRESS_ORIGINS.get(origin, ""),
        str(IPv4Address(local)),
    ]
    if gateway or mask:
        parts += [str(gateway), str(mask)]
    return f"IPv4({','.join(parts)})"


def _fibre_channel_ex(data: bytes) -> str:
    name, unit = struct.unpack_from("<8s8s", data)
    return f"FibreEx(0x{name.hex()},0x{unit.hex()})"


def _hard_drive(data: bytes) -> str:
    number, start, size, signature, kind, _ = struct.unpack_from("<IQQ16sBB", data)
    if kind == 1:
        name = f"MBR,0x{int.from_bytes(signature[:4], 'little'):08x}"
    elif kind == 2:
        name = f"GPT,{_guid(signature)}"
    else:
        raise _UnknownFormError
    return f"HD({number},{name}{f',{start:#x},{size:#x}' if number else ''})"


def _vendor_media(data: bytes) -> str:
    (guid,) = struct.unpack_from("<16s", data)
    return f"VenMedia({_guid(guid)},{data[16:].hex()})"


def _file(data: bytes) -> str:
    if not data or len(data) % 2:
        raise _UnknownFormError
    return f"File({data[:-2].decode('utf-16-le', 'replace')})"


def _bios_boot(data: bytes) -> str:
    device, status = struct.unpack_from("<HH", data)
    description = data[4:].partition(b"\x00")[0].decode("utf-8")
    return f"BBS({_BOOT_DEVICES.get(device, device)},{description},{status})"


def _guid(data: bytes) -> str:
    return str(uuid.UUID(bytes_le=data)).upper()


_READERS: dict[tuple[int, int], Callable[[bytes], str]] = {
    (1, 0x01): _pci,
    (2, 0x01): _acpi,
    (3, 0x05): _usb,
    (3, 0x0B): _mac,
    (3, 0x0C): _ipv4,
    (3, 0x15): _fibre_channel_ex,
    (4, 0x01): _hard_drive,
    (4, 0x03): _vendor_media,
    (4, 0x04): _file,
    (5, 0x01): _bios_boot,
}
