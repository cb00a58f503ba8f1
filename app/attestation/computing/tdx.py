"""MRTD of a TD from its firmware, and its RTMRs from the event log of a boot.

Sources: Intel, "TDX Module Base Specification", TDH.MEM.PAGE.ADD and TDH.MR.EXTEND (what goes into
MRTD); Intel, "TDX Virtual Firmware Design Guide", section 11 (which memory is added); UEFI
Specification, section 38.4 (which register an event of the log is about).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum

from app.attestation.computing import Computed, told_digest
from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import SHA384, Event, parse_event_log, replay
from app.attestation.formats.firmware import PAGE_BYTES, Firmware, TDXSection, tdx_sections
from app.trust.errors import MalformedEvidenceError, MalformedFirmwareError
from app.trust.json_types import JSONObject, JSONValue

# Bytes that one TDH.MR.EXTEND is about.
_CHUNK_BYTES = 256
_REGISTERS = range(1, 5)


class AddOrder(StrEnum):
    """How a host adds the pages of a section and measures them; MRTD tells the difference."""

    # Each page is measured when it is added: Linux 6.16 and later.
    PAGE = "page"
    # All pages of a section are added, then all are measured: some hosts before.
    SECTION = "section"


def compute_tdx(
    firmware: bytes | None, event_log: bytes | None, order: AddOrder = AddOrder.PAGE
) -> Computed:
    """What can be known of a TD.

    Args:
        firmware: the image; ``mr_td`` follows from it.
        event_log: CCEL of a boot; ``rtmr_0`` to ``rtmr_3`` follow from it, as far as the log says
            something of them, and ``tdvfkernel`` and ``tdvfkernelparams`` when the firmware was
            handed a kernel.
        order: of the host.

    Raises:
        MalformedFirmwareError: the image is not built for TDX, or does not add up.
        MalformedEvidenceError: the log does not add up, or measures nothing.
        TooLargeError: the image is too large.
    """
    values: dict[str, JSONValue] = {}
    inputs: dict[str, str] = {}
    if firmware is not None:
        values["mr_td"] = [mrtd(Firmware.parse(firmware), order).hex()]
        inputs |= {"firmware": told_digest(firmware), "order": order}
    if event_log is not None:
        events = parse_event_log(event_log)
        values |= _registers(events) | _kernel(events)
        inputs["event log"] = told_digest(event_log)
    return Computed("tdx", values, inputs)


def mrtd(firmware: Firmware, order: AddOrder = AddOrder.PAGE) -> bytes:
    """SHA-384 over what the host does to build the TD, 48 bytes.

    Raises:
        MalformedFirmwareError: there are no TDVF metadata, or nothing of the image is measured.
    """
    sections = [each for each in tdx_sections(firmware) if each.is_added]
    if not any(section.is_measured for section in sections):
        raise MalformedFirmwareError("no section of the firmware is measured")
    state = hashlib.sha384()
    for section in sections:
        for step in _steps(section, order):
            state.update(step)
    return state.digest()


def _steps(section: TDXSection, order: AddOrder) -> Iterator[bytes]:
    """What is hashed for a section, in the order of the host."""
    pages = range(0, section.size, PAGE_BYTES)
    if order is AddOrder.SECTION:
        yield from (_added(section, page) for page in pages)
    for page in pages:
        if order is AddOrder.PAGE:
            yield _added(section, page)
        if section.is_measured:
            yield from _extended(section, page)


def _added(section: TDXSection, page: int) -> bytes:
    """TDH.MEM.PAGE.ADD: 128 bytes with the name and the address; the content is not looked at."""
    return _block(b"MEM.PAGE.ADD", section.address + page)


def _extended(section: TDXSection, page: int) -> Iterator[bytes]:
    """TDH.MR.EXTEND: 128 bytes with the name and the address, and 256 bytes of content."""
    for at in range(page, page + PAGE_BYTES, _CHUNK_BYTES):
        content = section.data[at : at + _CHUNK_BYTES].ljust(_CHUNK_BYTES, b"\0")
        yield _block(b"MR.EXTEND", section.address + at) + content


def _block(name: bytes, address: int) -> bytes:
    return (name.ljust(16, b"\0") + address.to_bytes(8, "little")).ljust(128, b"\0")


def _registers(events: list[Event]) -> dict[str, JSONValue]:
    extended = {event.index for event in events}
    found: dict[str, JSONValue] = {
        f"rtmr_{index - 1}": [replay(events, index, SHA384).hex()]
        for index in _REGISTERS
        if index in extended
    }
    if not any(algorithm is SHA384 for event in events for algorithm, _ in event.digests):
        raise MalformedEvidenceError("the event log has no digests of SHA-384")
    if not found:
        raise MalformedEvidenceError("the event log says nothing of a register of a TD")
    return found


def _kernel(events: list[Event]) -> dict[str, JSONValue]:
    """Digests of the kernel and its options, where the host handed them to the firmware."""
    found: dict[str, JSONValue] = {}
    for claim in event_claims(events):
        name = _kernel_name(claim)
        if name is not None:
            found[name] = claim["digests"][0]["digest"]
    return found


def _kernel_name(claim: JSONObject) -> str | None:
    details = claim["details"]
    if "File(kernel)" in details.get("device_paths", ()):
        return "tdvfkernel"
    return "tdvfkernelparams" if details.get("string") == "LOADED_IMAGE::LoadOptions" else None
