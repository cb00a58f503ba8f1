"""The SEV-SNP attestation report as guests of Confidential Containers send it: JSON.

Byte strings are arrays of integers, TCB versions and firmware versions are objects, and what a
version of the report does not have is ``null`` or missing. The signature is over bytes, so the JSON
is turned into those, and everything is read from them.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.attestation.formats.snp_report import (
    REPORT_BYTES,
    SIGNATURE_PART_BYTES,
    SIGNED_BYTES,
    TCB_OFFSETS,
    Generation,
    generation_of,
)
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue

# Name, offset and bytes of the members that are integers in every version.
_INTEGERS = (
    ("version", 0x000, 4),
    ("guest_svn", 0x004, 4),
    ("policy", 0x008, 8),
    ("vmpl", 0x030, 4),
    ("sig_algo", 0x034, 4),
    ("plat_info", 0x040, 8),
    ("key_info", 0x048, 4),
)
# Name, offset, bytes and first version of the members that came later.
_LATER_INTEGERS = (
    ("cpuid_fam_id", 0x188, 1, 3),
    ("cpuid_mod_id", 0x189, 1, 3),
    ("cpuid_step", 0x18A, 1, 3),
    ("launch_mit_vector", 0x1F8, 8, 5),
    ("current_mit_vector", 0x200, 8, 5),
)
_BYTE_ARRAYS = (
    ("family_id", 0x010, 16),
    ("image_id", 0x020, 16),
    ("report_data", 0x050, 64),
    ("measurement", 0x090, 48),
    ("host_data", 0x0C0, 32),
    ("id_key_digest", 0x0E0, 48),
    ("author_key_digest", 0x110, 48),
    ("report_id", 0x140, 32),
    ("report_id_ma", 0x160, 32),
    ("chip_id", 0x1A0, 64),
)


def encode_report(unverified_report: JSONValue) -> bytes:
    """The 1184 bytes that a report's JSON stands for; reserved bytes are zero.

    Raises:
        MalformedEvidenceError: a member is missing, or of a wrong type, range or length.
    """
    if not isinstance(unverified_report, dict):
        raise MalformedEvidenceError("attestation_report is not a JSON object")
    report = unverified_report
    version = _integer(report, "version", 4)
    generation = generation_of(
        version,
        _later_integer(report, "cpuid_fam_id", 1, exists=version >= 3),
        _later_integer(report, "cpuid_mod_id", 1, exists=version >= 3),
        _byte_array(report, "chip_id", 64),
    )
    data = bytearray(REPORT_BYTES)
    for offset, field in _encoded_fields(report, version, generation):
        data[offset : offset + len(field)] = field
    return bytes(data)


def _encoded_fields(
    report: JSONObject, version: int, generation: Generation | None
) -> Iterator[tuple[int, bytes]]:
    for name, offset, size in _INTEGERS:
        yield offset, _integer(report, name, size).to_bytes(size, "little")
    for name, offset, size, since in _LATER_INTEGERS:
        yield (
            offset,
            _later_integer(report, name, size, exists=version >= since).to_bytes(size, "little"),
        )
    for name, offset, size in _BYTE_ARRAYS:
        yield offset, _byte_array(report, name, size)
    for name, offset in TCB_OFFSETS.items():
        yield offset, _tcb(_object(report, name), generation)
    for name, offset in (("current", 0x1E8), ("committed", 0x1EC)):
        part = _object(report, name)
        yield offset, bytes(_integer(part, key, 1) for key in ("build", "minor", "major"))
    signature = _object(report, "signature")
    yield SIGNED_BYTES, _byte_array(signature, "r", SIGNATURE_PART_BYTES)
    yield SIGNED_BYTES + SIGNATURE_PART_BYTES, _byte_array(signature, "s", SIGNATURE_PART_BYTES)


def _tcb(value: JSONObject, generation: Generation | None) -> bytes:
    bootloader, tee, snp, microcode = (
        _integer(value, name, 1) for name in ("bootloader", "tee", "snp", "microcode")
    )
    fmc = _later_integer(value, "fmc", 1, exists=generation is Generation.TURIN)
    if generation is Generation.TURIN:
        return bytes([fmc, bootloader, tee, snp, 0, 0, 0, microcode])
    return bytes([bootloader, tee, 0, 0, 0, 0, snp, microcode])


def _object(parent: JSONObject, name: str) -> JSONObject:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise MalformedEvidenceError(f"{name} is not a JSON object")
    return value


def _integer(parent: JSONObject, name: str, size: int) -> int:
    value = parent.get(name)
    # A JSON boolean is an int to Python, and none to us.
    if type(value) is not int or not 0 <= value < 1 << 8 * size:
        raise MalformedEvidenceError(f"{name} is not an unsigned integer of {size} bytes")
    return value


def _later_integer(parent: JSONObject, name: str, size: int, *, exists: bool) -> int:
    """An integer that only some reports have; 0 in those that do not."""
    if exists:
        return _integer(parent, name, size)
    if parent.get(name) is not None:
        raise MalformedEvidenceError(f"{name} in a report that does not have it")
    return 0


def _byte_array(parent: JSONObject, name: str, size: int) -> bytes:
    data = byte_array(parent.get(name), name, size)
    if len(data) != size:
        raise MalformedEvidenceError(f"{name} is not an array of {size} bytes")
    return data


def byte_array(unverified_array: JSONValue, name: str, limit: int) -> bytes:
    """The bytes of an array of integers.

    Raises:
        MalformedEvidenceError: no array, longer than the limit, or an element is not a byte.
    """
    array = unverified_array
    if not isinstance(array, list) or len(array) > limit or not {int}.issuperset(map(type, array)):
        raise MalformedEvidenceError(f"{name} is not an array of at most {limit} bytes")
    try:
        return bytes(array)
    except ValueError as error:
        raise MalformedEvidenceError(f"{name} holds a number that is no byte") from error
