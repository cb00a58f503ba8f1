"""The evidence of NVIDIA's devices: a list of them in JSON, each with its report and its chain."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

MAX_DEVICES = 32
MAX_REPORT_BYTES = 64 * 1024
MAX_CHAIN_BYTES = 64 * 1024
_MAX_UUID_CHARACTERS = 128

_HEX = re.compile(r"([0-9a-f]{2})+|([0-9A-F]{2})+", re.ASCII)


class Architecture(Enum):
    """Kinds of devices, as claims spell them."""

    HOPPER = "Hopper"
    BLACKWELL = "Blackwell"
    LS10 = "LS10"

    @property
    def tee_class(self) -> str:
        """``switch`` or ``gpu``."""
        return "switch" if self is Architecture.LS10 else "gpu"


@dataclass(frozen=True, slots=True)
class UnverifiedDevice:
    """One entry of the list.

    Attributes:
        architecture: as the guest names it.
        uuid: as the guest names it; nothing proves it.
        report: request and response of SPDM.
        chain: PEM text, leaf first.
    """

    architecture: Architecture
    uuid: str
    report: bytes = field(repr=False)
    chain: bytes = field(repr=False)


def parse_devices(body: JSONValue) -> list[UnverifiedDevice]:
    """The devices, at least one.

    Raises:
        MalformedEvidenceError: another shape, an empty list, or one of more than 32.
    """
    entries = body.get("device_evidence_list") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_DEVICES:
        raise MalformedEvidenceError(
            f"the evidence has no device_evidence_list of 1 to {MAX_DEVICES} devices"
        )
    return [_device(entry) for entry in entries]


def _device(entry: JSONValue) -> UnverifiedDevice:
    if not isinstance(entry, dict):
        raise MalformedEvidenceError("a device is not a JSON object")
    uuid = entry.get("uuid", "unknown")
    if not isinstance(uuid, str) or len(uuid) > _MAX_UUID_CHARACTERS:
        raise MalformedEvidenceError(f"uuid is not text of at most {_MAX_UUID_CHARACTERS}")
    return UnverifiedDevice(
        _architecture(entry.get("arch")),
        uuid,
        report=_bytes(entry, "evidence", MAX_REPORT_BYTES),
        chain=_bytes(entry, "certificate", MAX_CHAIN_BYTES),
    )


def _architecture(name: JSONValue) -> Architecture:
    for known in Architecture:
        if isinstance(name, str) and name in {known.value, known.name}:
            return known
    raise MalformedEvidenceError("arch is none of Hopper, Blackwell and LS10")


def _bytes(entry: JSONObject, name: str, limit: int) -> bytes:
    """A member in standard base64; reports may be in hex instead, as NVIDIA's tools print them."""
    text = entry.get(name)
    if not isinstance(text, str) or not text or len(text) > 2 * limit:
        raise MalformedEvidenceError(f"{name} is not text of at most {limit} bytes")
    if name == "evidence" and _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return b64_decode(text)
    except WireError as error:
        raise MalformedEvidenceError(f"{name} is neither base64 nor what else it may be") from error
