"""SEV-SNP structures as the JSON of the field (evidence.md 7.1 and 7.2).

Sources: SEV Secure Nested Paging Firmware ABI (AMD 56860), ATTESTATION_REPORT; GHCB Specification
(AMD 56421), the certificate table. Everything is little-endian.
"""

from __future__ import annotations

import struct
import uuid

from guest.errors import DeviceError
from guest.wire.json_types import JSONObject

REPORT_BYTES = 1184
VERSIONS = range(2, 6)

# Versions from which the report says which processor it is from, and which mitigations it has.
_CPUID_VERSION = 3
_MITIGATIONS_VERSION = 5
_TURIN_FAMILY = 0x1A

_CERTIFICATE_TYPES = {
    uuid.UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae"): "ARK",
    uuid.UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782"): "ASK",
    uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd"): "VCEK",
    uuid.UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1"): "VLEK",
    uuid.UUID("92f81bc3-5811-4d3d-97ff-d19f88dc67ea"): "CRL",
}
# GUID in the order of its text, offset from the start of the table, length in bytes.
_TABLE_ENTRY = struct.Struct("<16sII")
_MAX_ENTRIES = 64


def report_json(report: bytes) -> JSONObject:
    """A report of 1184 bytes, field by field; byte strings become lists of integers.

    Fields that the report's version does not have are null, as is ``fmc`` except on Turin.

    Raises:
        DeviceError: another size, or a version whose layout is unknown.
    """
    if len(report) != REPORT_BYTES:
        raise DeviceError(f"an SNP report has {REPORT_BYTES} bytes")
    version = _u32(report, 0x000)
    if version not in VERSIONS:
        raise DeviceError("the SNP report has a version that is unknown here")
    turin = _is_turin(report, version)
    return {
        **_head(report, version),
        "current_tcb": _tcb(report, 0x038, turin=turin),
        **_identity(report),
        "reported_tcb": _tcb(report, 0x180, turin=turin),
        **_processor(report, version),
        "chip_id": list(report[0x1A0:0x1E0]),
        "committed_tcb": _tcb(report, 0x1E0, turin=turin),
        "current": _firmware(report, 0x1E8),
        "committed": _firmware(report, 0x1EC),
        "launch_tcb": _tcb(report, 0x1F0, turin=turin),
        **_mitigations(report, version),
        "signature": {"r": list(report[0x2A0:0x2E8]), "s": list(report[0x2E8:0x330])},
    }


def certificate_table_json(table: bytes) -> list[JSONObject] | None:
    """The certificates of a table, as ``{"cert_type","data"}``; ``None`` when there are none.

    Raises:
        DeviceError: the table has no end, or an entry reaches beyond it.
    """
    certificates: list[JSONObject] = []
    for index in range(_MAX_ENTRIES):
        at = index * _TABLE_ENTRY.size
        if not table[at:]:
            break
        if at + _TABLE_ENTRY.size > len(table):
            raise DeviceError("the certificate table is cut off")
        guid, offset, size = _TABLE_ENTRY.unpack_from(table, at)
        if guid == bytes(16):
            break
        if offset + size > len(table):
            raise DeviceError("a certificate reaches beyond its table")
        certificate_type = _certificate_type(uuid.UUID(bytes=guid))
        data = list(table[offset : offset + size])
        certificates.append({"cert_type": certificate_type, "data": data})
    return certificates or None


def _certificate_type(guid: uuid.UUID) -> str | dict[str, str]:
    return _CERTIFICATE_TYPES.get(guid, {"OTHER": str(guid)})


def _head(report: bytes, version: int) -> JSONObject:
    return {
        "version": version,
        "guest_svn": _u32(report, 0x004),
        "policy": _u64(report, 0x008),
        "family_id": list(report[0x010:0x020]),
        "image_id": list(report[0x020:0x030]),
        "vmpl": _u32(report, 0x030),
        "sig_algo": _u32(report, 0x034),
    }


def _identity(report: bytes) -> JSONObject:
    return {
        "plat_info": _u64(report, 0x040),
        "key_info": _u32(report, 0x048),
        "report_data": list(report[0x050:0x090]),
        "measurement": list(report[0x090:0x0C0]),
        "host_data": list(report[0x0C0:0x0E0]),
        "id_key_digest": list(report[0x0E0:0x110]),
        "author_key_digest": list(report[0x110:0x140]),
        "report_id": list(report[0x140:0x160]),
        "report_id_ma": list(report[0x160:0x180]),
    }


def _processor(report: bytes, version: int) -> JSONObject:
    known = version >= _CPUID_VERSION
    return {
        "cpuid_fam_id": report[0x188] if known else None,
        "cpuid_mod_id": report[0x189] if known else None,
        "cpuid_step": report[0x18A] if known else None,
    }


def _mitigations(report: bytes, version: int) -> JSONObject:
    known = version >= _MITIGATIONS_VERSION
    return {
        "launch_mit_vector": _u64(report, 0x1F8) if known else None,
        "current_mit_vector": _u64(report, 0x200) if known else None,
    }


def _is_turin(report: bytes, version: int) -> bool:
    if version >= _CPUID_VERSION:
        return report[0x188] == _TURIN_FAMILY
    # Version 2 does not say. Turin's chip id has 8 bytes; all zero is a masked id of any chip.
    chip_id = report[0x1A0:0x1E0]
    return any(chip_id[:8]) and not any(chip_id[8:])


def _tcb(report: bytes, offset: int, *, turin: bool) -> JSONObject:
    raw = report[offset : offset + 8]
    if turin:
        return {
            "fmc": raw[0],
            "bootloader": raw[1],
            "tee": raw[2],
            "snp": raw[3],
            "microcode": raw[7],
        }
    return {"fmc": None, "bootloader": raw[0], "tee": raw[1], "snp": raw[6], "microcode": raw[7]}


def _firmware(report: bytes, offset: int) -> JSONObject:
    build, minor, major = report[offset : offset + 3]
    return {"major": major, "minor": minor, "build": build}


def _u32(report: bytes, offset: int) -> int:
    return int.from_bytes(report[offset : offset + 4], "little")


def _u64(report: bytes, offset: int) -> int:
    return int.from_bytes(report[offset : offset + 8], "little")
