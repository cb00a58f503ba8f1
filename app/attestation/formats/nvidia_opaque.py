"""What an NVIDIA device says of itself beside its measurements: the opaque data of its report.

Type, size and value follow one another, all integers little endian. The table of types is that of
NVIDIA's attestation tools, by way of the verifier specification that Trustee's is written from.
"""

from __future__ import annotations

from collections.abc import Callable

from app.attestation.formats.byte_reader import ByteReader
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue

FWID_BYTES = 48

_FEATURES = {0: "SPT", 1: "MPT", 2: "PPCIE"}
_PDI_BYTES = 8
_COUNTER_BYTES = 4
_LONGEST_NUMBER = 8
_REQUIRED = ("driver_version", "vbios_version")


def parse_opaque(data: bytes) -> JSONObject:
    """The fields by name, as claims have them.

    Raises:
        MalformedEvidenceError: an unknown field, one twice, one of a wrong length, or no version
            of driver or firmware.
    """
    reader = ByteReader(data, "the opaque data")
    found: JSONObject = {}
    while reader.remaining:
        kind, value = reader.integer(2), reader.take(reader.integer(2))
        name, decode = _FIELDS.get(kind, ("", _hex))
        if not name or name in found:
            raise MalformedEvidenceError(f"opaque data with an unknown or second field {kind}")
        found[name] = decode(value)
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise MalformedEvidenceError(f"opaque data without {' and '.join(missing)}")
    return found


def _hex(value: bytes) -> str:
    return value.hex()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").rstrip("\0")


def _version(value: bytes) -> str:
    """``00 9f 00 96 01 00 00 00`` is version ``96.00.9f.00.01``."""
    half = len(value) // 2
    if not half:
        raise MalformedEvidenceError("a version of less than two bytes")
    return ".".join(f"{byte:02x}" for byte in (*reversed(value[:half]), value[half]))


def _number(value: bytes) -> int:
    if not 1 <= len(value) <= _LONGEST_NUMBER:
        raise MalformedEvidenceError("a number of opaque data without or with too many bytes")
    return int.from_bytes(value, "little")


def _feature(value: bytes) -> str:
    return _FEATURES.get(_number(value), "unknown")


def _counters(value: bytes) -> JSONValue:
    """How often each block was extended, by block index."""
    return {
        str(index): int.from_bytes(each, "little")
        for index, each in enumerate(_parts(value, _COUNTER_BYTES), start=1)
    }


def _pdis(value: bytes) -> JSONValue:
    """Identities of the switches that the device is linked to."""
    return [each.hex() for each in _parts(value, _PDI_BYTES)]


def _parts(value: bytes, size: int) -> list[bytes]:
    if len(value) % size:
        raise MalformedEvidenceError(f"a list of opaque data not of {size} bytes each")
    return [value[at : at + size] for at in range(0, len(value), size)]


_FIELDS: dict[int, tuple[str, Callable[[bytes], JSONValue]]] = {
    1: ("cert_issuer_name", _hex),
    2: ("cert_authority_key_identifier", _hex),
    3: ("driver_version", _text),
    4: ("gpu_info", _hex),
    5: ("id_sku", _hex),
    6: ("vbios_version", _version),
    7: ("manufacturer_id", _hex),
    8: ("tamper_detection", _hex),
    9: ("smc", _hex),
    10: ("vpr", _hex),
    11: ("nvdec0_status", _text),
    12: ("measurement_count", _counters),
    13: ("cpr_info", _hex),
    14: ("board_id", _hex),
    15: ("chip_sku", _text),
    16: ("chip_sku_mod", _text),
    17: ("project", _text),
    18: ("project_sku", _text),
    19: ("project_sku_mod", _hex),
    20: ("fwid", _hex),
    21: ("protected_pcie_status", _text),
    22: ("switch_pdi", _pdis),
    23: ("floorswept_ports", _hex),
    24: ("position_id", _hex),
    25: ("lock_switch_status", _hex),
    32: ("gpu_link_conn", _hex),
    33: ("sys_enable_status", _hex),
    34: ("opaque_data_version", _number),
    35: ("chip_info", _text),
    36: ("feature_flag", _feature),
}
