"""Settings of the hardware: where it is, and what is done with it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from guest.devices.paths import AZURE_METADATA, DEFAULT_AK_HANDLE, DevicePaths
from guest.sections import Section
from guest.wire.json_types import JSONObject

# What upstream's TPM attester reads, where settings say nothing.
TPM_VARIABLE = "AA_TPM_DEVICE"
AK_HANDLE_VARIABLE = "AA_TPM_AK_HANDLE"

# Persistent handles of a TPM (TPM 2.0 Library, part 2, section 7.4).
_PERSISTENT_HANDLES = range(0x81000000, 0x82000000)
_MAX_PCR = 23


@dataclass(frozen=True, slots=True)
class EventLogSettings:
    """Runtime measurement.

    Attributes:
        enabled: whether registers may be extended at all.
        register: PCR to extend when nobody names one; ``None`` for the TEE's own default.
    """

    enabled: bool = False
    register: int | None = None


def parse_device_paths(section: Section | None) -> DevicePaths:
    """Where the hardware is: the table ``devices``."""
    if section is None:
        return DevicePaths()
    known = DevicePaths()
    paths = {
        name: Path(section.text(name) or getattr(known, name)) for name in DevicePaths.__slots__
    }
    section.close()
    return DevicePaths(**paths)


def parse_event_log(section: Section | None) -> EventLogSettings:
    """Whether and where runtime measurements go: the table ``eventlog_config``."""
    if section is None:
        return EventLogSettings()
    enabled, register = section.flag("enable_eventlog"), section.number("init_pcr", _MAX_PCR)
    section.close()
    return EventLogSettings(enabled, register)


def parse_ak_handle(section: Section | None) -> int:
    """The handle of the attestation key: the table ``tpm``."""
    if section is None:
        return DEFAULT_AK_HANDLE
    text = section.text("ak_handle")
    section.close()
    try:
        handle = DEFAULT_AK_HANDLE if text is None else int(text, 16)
    except ValueError:
        handle = 0
    if handle not in _PERSISTENT_HANDLES:
        section.fault("ak_handle", "must be a persistent handle, 0x81000000 to 0x81ffffff")
    return handle


def parse_azure_metadata(section: Section | None) -> str:
    """The URL of the metadata service: the table ``azure``. Plain HTTP, so it has to be near."""
    if section is None:
        return AZURE_METADATA
    url = section.text("metadata_url") or AZURE_METADATA
    section.close()
    try:
        parts = urlsplit(url)
        address = ipaddress.ip_address(parts.hostname or "")
        is_near = (address.is_link_local or address.is_loopback) and parts.port != 0
    except ValueError:
        is_near = False
    if not is_near or parts.scheme != "http" or parts.query or parts.fragment or parts.username:
        section.fault("metadata_url", "must read http://<link-local or loopback address>[:port]")
    return url.rstrip("/")


def tpm_variables(variables: Mapping[str, str]) -> JSONObject:
    """What upstream's TPM attester reads from the environment, in the shape of settings."""
    device, handle = variables.get(TPM_VARIABLE), variables.get(AK_HANDLE_VARIABLE)
    found: JSONObject = {"devices": {"tpm": device}} if device else {}
    if handle:
        digits = handle.lower().removeprefix("0x")
        found |= {"tpm": {"ak_handle": f"0x{digits}"}}
    return found
