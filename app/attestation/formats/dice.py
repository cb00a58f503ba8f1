"""DICE: the firmware layers that a device names in its certificate.

Source: TCG, "DICE Attestation Architecture", section 6.1.1 (TcbInfo). ``fwids`` has the context tag
6 and holds pairs of a hash algorithm and a digest; devices are known that wrap the list once more.
Lengths are read in long forms too, which firmware writes and our DER reader rightly refuses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_SEQUENCE = 0x30
_OID = 0x06
_OCTET_STRING = 0x04
_FWIDS = 0xA6
_LONG_FORM = 0x80
_MAX_LENGTH_BYTES = 4

_Value = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class FirmwareLayers:
    """What a TcbInfo says.

    Attributes:
        digests: of the layers, in their order.
    """

    digests: tuple[bytes, ...]

    @property
    def accumulated(self) -> str:
        """SHA-384 over the digests, one after another, hex."""
        return hashlib.sha384(b"".join(self.digests)).hexdigest()


def firmware_layers(tcb_info: bytes | None) -> FirmwareLayers:
    """The layers in a TcbInfo extension; none when it is missing or does not parse.

    A certificate without layers is a genuine certificate: what it proves is for the policy, which
    sees their number and has no reference value for an accumulation of nothing.
    """
    try:
        return FirmwareLayers(tuple(_digests(tcb_info or b"")))
    except ValueError:
        return FirmwareLayers(())


def _digests(tcb_info: bytes) -> list[bytes]:
    found: list[bytes] = []
    fields = _values(tcb_info)
    if [tag for tag, _ in fields] == [_SEQUENCE]:
        fields = _values(fields[0][1])
    for tag, content in fields:
        if tag != _FWIDS:
            continue
        entries = _values(content)
        if len(entries) == 1 and entries[0][1][:1] == bytes([_SEQUENCE]):
            entries = _values(entries[0][1])
        found += [_digest(entry) for entry in entries]
    return found


def _digest(entry: _Value) -> bytes:
    if entry[0] != _SEQUENCE:
        raise ValueError("a layer is no sequence")
    algorithm, digest = _values(entry[1])
    if (algorithm[0], digest[0]) != (_OID, _OCTET_STRING):
        raise ValueError("a layer is no digest with its algorithm")
    return digest[1]


def _values(data: bytes) -> list[_Value]:
    """Tag and content of the values that stand one after another."""
    found: list[_Value] = []
    at = 0
    while at < len(data):
        length_at, count = at + 1, 0
        if length_at >= len(data):
            raise ValueError("ends within a value")
        length = data[length_at]
        if length >= _LONG_FORM:
            count = length - _LONG_FORM
            length = int.from_bytes(data[length_at + 1 : length_at + 1 + count], "big")
        start = length_at + 1 + count
        if count > _MAX_LENGTH_BYTES or start + length > len(data):
            raise ValueError("ends within a value")
        found.append((data[at], data[start : start + length]))
        at = start + length
    return found
