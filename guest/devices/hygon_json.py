"""Hygon's certificates as the JSON that the csv-rs library writes (guest.md, section 3.8).

Byte strings are lists of integers, numbers are integers. Little endian.
"""

from __future__ import annotations

from guest.errors import DeviceError
from guest.wire.json_types import JSONObject

CHIP_BYTES = 2084

_NUMBER_BYTES = 72
_SLOT_BYTES = 520
_SLOTS_OFFSET = 0x414


def chip_json(data: bytes) -> JSONObject:
    """A certificate of a chip's endorsement key (CEK) or a platform's (PEK), 2084 bytes.

    Raises:
        DeviceError: another size.
    """
    if len(data) != CHIP_BYTES:
        raise DeviceError(f"a Hygon chip's certificate has {CHIP_BYTES} bytes")
    pubkey = {"usage": _u32(data, 8), "algo": _u32(data, 12), "key": _key(data, 16)}
    return {
        "body": {
            "ver": _u32(data, 0),
            "data": {
                "firmware": {"major": data[4], "minor": data[5]},
                "reserved1": int.from_bytes(data[6:8], "little"),
                "pubkey": pubkey,
                "uid_size": int.from_bytes(data[164:166], "little"),
                "user_id": list(data[166:420]),
                "sid": list(data[420:436]),
                "reserved2": list(data[436:_SLOTS_OFFSET]),
            },
        },
        "sigs": [_slot(data, _SLOTS_OFFSET), _slot(data, _SLOTS_OFFSET + _SLOT_BYTES)],
    }


def signature_json(data: bytes) -> JSONObject:
    """A signature of 144 bytes: ``{"r","s"}``."""
    return {"r": list(data[:_NUMBER_BYTES]), "s": list(data[_NUMBER_BYTES : 2 * _NUMBER_BYTES])}


def _slot(data: bytes, at: int) -> JSONObject:
    return {
        "usage": _u32(data, at),
        "algo": _u32(data, at + 4),
        "signature": signature_json(data[at + 8 : at + 152]),
        "_reserved": list(data[at + 152 : at + _SLOT_BYTES]),
    }


def _key(data: bytes, at: int) -> JSONObject:
    x, y = at + 4, at + 4 + _NUMBER_BYTES
    return {"g": _u32(data, at), "x": list(data[x:y]), "y": list(data[y : y + _NUMBER_BYTES])}


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
