"""PCRs from the event log of a boot: what a TPM holds after it.

Source: TCG, "PC Client Platform Firmware Profile Specification", section 10 (the log: how registers
begin, which events extend them). ``/sys/kernel/security/tpm0/binary_bios_measurements`` is such a
log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from app.attestation.computing import Computed, told_digest
from app.attestation.formats.event_log import EV_NO_ACTION, SHA256, Event, parse_event_log
from app.trust.errors import MalformedEvidenceError, MalformedRequestError
from app.trust.json_types import JSONValue

# What the default policies put before the number.
PREFIXES = {"tpm": "tpm", "az-snp-vtpm": "snp", "az-tdx-vtpm": "tdx"}
# The others begin anew when somebody starts them anew, so that a log of the boot does not tell.
_REGISTERS = range(17)
_LOCALITY = b"StartupLocality\0"


def compute_pcrs(event_log: bytes, tee: str, wanted: Sequence[int] = ()) -> Computed:
    """The registers of the SHA-256 bank.

    Args:
        event_log: of a boot.
        tee: wire name; the values are named for its policy, such as ``tpm_pcr11``.
        wanted: numbers of registers; none stands for all that the log extends.

    Raises:
        MalformedRequestError: no log of a boot tells of this register, or the TEE has none.
        MalformedEvidenceError: the log does not add up, or says nothing of a wanted register.
    """
    if tee not in PREFIXES:
        raise MalformedRequestError(f"a TEE with a TPM is one of: {', '.join(PREFIXES)}")
    if any(index not in _REGISTERS for index in wanted):
        raise MalformedRequestError("the log of a boot tells of the registers 0 to 16")
    events = parse_event_log(event_log)
    extended = {each.index for each in events if each.event_type != EV_NO_ACTION}
    numbers = sorted(set(wanted) or extended & set(_REGISTERS))
    missing = [str(index) for index in numbers if index not in extended]
    if missing or not numbers:
        told = ", ".join(missing) or "any"
        raise MalformedEvidenceError(f"the event log extends no register of these: {told}")
    values: dict[str, JSONValue] = {
        f"{PREFIXES[tee]}_pcr{index:02}": [_replayed(events, index).hex()] for index in numbers
    }
    return Computed(tee, values, {"event log": told_digest(event_log)})


def _replayed(events: Sequence[Event], index: int) -> bytes:
    value = _beginning(events) if index == 0 else bytes(32)
    for event in events:
        if event.index == index and event.event_type != EV_NO_ACTION:
            value = hashlib.sha256(value + _digest(event)).digest()
    return value


def _beginning(events: Sequence[Event]) -> bytes:
    """PCR 0 begins with the locality that the TPM was started from."""
    told = [
        event.data[len(_LOCALITY) :]
        for event in events
        if event.event_type == EV_NO_ACTION and event.data.startswith(_LOCALITY)
    ]
    if len(told) > 1 or any(len(each) != 1 for each in told):
        raise MalformedEvidenceError("the event log does not tell one locality of the start")
    return told[0].rjust(32, b"\0") if told else bytes(32)


def _digest(event: Event) -> bytes:
    digests = [digest for algorithm, digest in event.digests if algorithm is SHA256]
    if len(digests) != 1:
        raise MalformedEvidenceError("an event has not one digest of SHA-256")
    return digests[0]
