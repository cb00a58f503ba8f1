"""Events as claims: what an event says of itself, read by its type.

The shape is Trustee's, so that policies written for it find what they look for. Each reader takes
the bytes of one event and gives the members of ``details`` that apply.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.device_path import device_path_texts
from app.attestation.formats.event_log import Event
from app.attestation.formats.event_types import EVENT_TYPES
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_encode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json

# "LEAA" in the order of memory: an event of the Attestation Agent's own log (AAEL).
_AAEL_TAG = 0x4141454C
_END_NODE_BYTES = 4


def event_claims(events: list[Event]) -> list[JSONObject]:
    """The claim ``uefi_event_logs``: every event, in the order of the log.

    Raises:
        MalformedEvidenceError: an event is not of the form of its type, or has SHA-1 digests.
    """
    return [_claims(event) for event in events]


def _claims(event: Event) -> JSONObject:
    name = EVENT_TYPES[event.event_type]
    read = _READERS.get(name)
    return {
        "index": event.index,
        "type_name": name,
        "digests": [
            {"alg": algorithm.name, "digest": digest.hex()} for algorithm, digest in event.digests
        ],
        "event": b64_encode(event.data),
        "digest_matches_event": event.is_self_describing(),
        "details": read(event.data) if read is not None else {},
    }


def _text(data: bytes) -> JSONObject:
    return {"string": _strict(data, "utf-8")}


def _tagged(data: bytes) -> JSONObject:
    reader = ByteReader(data, "a tagged event")
    tag = reader.integer(4)
    content = reader.take(reader.integer(4))
    if tag == _AAEL_TAG:
        return _agent_event(_strict(content, "utf-8"))
    return {"string": _lossy(content, "utf-8").replace("\x00", "")}


def _agent_event(text: str) -> JSONObject:
    parts = text.split(" ", 2)
    if len(parts) != 3:
        raise MalformedEvidenceError("an event of the Attestation Agent has no three parts")
    domain, operation, content = parts
    return {
        "string": text.replace("\x00", ""),
        "unicode_name": "AAEL",
        "data": {"domain": domain, "operation": operation, "content": _json_or_text(content)},
    }


def _json_or_text(text: str) -> JSONValue:
    try:
        return parse_json(text)
    except WireError:
        return text


def _configuration_flags(data: bytes) -> JSONObject:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    text = text.replace("\x10", " ")
    return {"string": "".join(each for each in text if unicodedata.category(each) != "Cc")}


def _initial_program_load(data: bytes) -> JSONObject:
    if len(data) < 2:
        raise MalformedEvidenceError("an EV_IPL event is shorter than two bytes")
    if data.startswith(b".\x00"):
        if len(data) == 2 or len(data) % 2:
            raise MalformedEvidenceError("an EV_IPL event is no UTF-16 text")
        return {"string": _lossy(data[2:-2], "utf-16-le")}
    try:
        return {"string": data.partition(b"\x00")[0].decode("utf-8")}
    except UnicodeDecodeError:
        return {"string": data.hex()}


def _variable(data: bytes) -> JSONObject:
    reader = ByteReader(data, "an EFI variable event")
    # The bytes of the GUID in plain order, unlike GUIDs in device paths: Trustee's form.
    guid = reader.take(16).hex()
    name_length, data_length = reader.integer(8), reader.integer(8)
    name = _strict(reader.take(2 * name_length), "utf-16-le")
    value = reader.take(data_length)
    return {
        "variable_name": "-".join((guid[:8], guid[8:12], guid[12:16], guid[16:20], guid[20:])),
        "unicode_name": name,
        "unicode_name_length": name_length,
        "variable_data": b64_encode(value),
        "variable_data_length": data_length,
    }


def _boot_application(data: bytes) -> JSONObject:
    reader = ByteReader(data, "a boot application event")
    reader.take(24)
    length = reader.integer(8)
    if length == 0:
        return {}
    if length < _END_NODE_BYTES:
        raise MalformedEvidenceError("a boot application event has a device path without an end")
    return {"device_paths": device_path_texts(reader.take(length - _END_NODE_BYTES))}


def _described_blob(data: bytes) -> JSONObject:
    # Trustee leaves the last byte of the description out, which firmware makes a NUL.
    reader = ByteReader(data, "a firmware blob event")
    length = reader.integer(1)
    return {"string": _strict(reader.take(max(length - 1, 0)), "utf-8")}


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise MalformedEvidenceError(f"text of an event is not {encoding}") from error


def _lossy(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace")


_READERS: dict[str, Callable[[bytes], JSONObject]] = {
    "EV_POST_CODE": _text,
    "EV_ACTION": _text,
    "EV_COMPACT_HASH": _text,
    "EV_OMIT_BOOT_DEVICE_EVENTS": _text,
    "EV_EFI_ACTION": _text,
    "EV_EVENT_TAG": _tagged,
    "EV_PLATFORM_CONFIG_FLAGS": _configuration_flags,
    "EV_IPL": _initial_program_load,
    "EV_EFI_VARIABLE_DRIVER_CONFIG": _variable,
    "EV_EFI_VARIABLE_BOOT": _variable,
    "EV_EFI_VARIABLE_BOOT2": _variable,
    "EV_EFI_VARIABLE_AUTHORITY": _variable,
    "EV_EFI_BOOT_SERVICES_APPLICATION": _boot_application,
    "EV_EFI_PLATFORM_FIRMWARE_BLOB2": _described_blob,
    "EV_EFI_HANDOFF_TABLES2": _described_blob,
}
