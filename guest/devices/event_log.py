"""The event log that evidence of TDX and CSV carries (guest.md, section 2.6).

First what the firmware logged, then what the Attestation Agent logged since, then eight bytes of
0xFF. Where the firmware has no log, a header stands before the other that declares its algorithms.
"""

from __future__ import annotations

import struct
from pathlib import Path

from guest.devices.ccel import MAX_LOG_BYTES, TERMINATOR, cut_event_log, replay
from guest.devices.paths import DevicePaths
from guest.errors import DeviceError
from guest.wire.encoding import b64_encode

_EV_NO_ACTION = 3
_SHA384, _SM3 = 0x000C, 0x0012
# A record in the form of TPM 1.2 with a Spec ID event: 24 bytes that nobody reads, two algorithms
# with their digest sizes, no vendor's data (TCG PC Client Platform Firmware Profile, 10.4.5.1).
_SPEC_ID = bytes(24) + struct.pack("<IHHHHB", 2, _SHA384, 48, _SM3, 32, 0)
HEADER = struct.pack("<II20sI", 0, _EV_NO_ACTION, b"", len(_SPEC_ID)) + _SPEC_ID


def read_event_log(paths: DevicePaths) -> str | None:
    """Both logs in base64, or ``None`` when there is neither.

    Raises:
        DeviceError: one cannot be read, or the firmware's is malformed.
    """
    log = join_event_logs(_read(paths.ccel), _read(paths.event_log))
    return None if log is None else b64_encode(log)


def replayed(paths: DevicePaths, index: int, algorithm: str) -> bytes:
    """What a register holds by both logs, zeros where there is neither.

    Args:
        paths: where the logs are.
        index: of the register, as logs name it.
        algorithm: of the register, by its wire name.

    Raises:
        DeviceError: one cannot be read, or is malformed.
    """
    log = join_event_logs(_read(paths.ccel), _read(paths.event_log))
    return replay(HEADER if log is None else log, index, algorithm)


def join_event_logs(firmware: bytes | None, runtime: bytes | None) -> bytes | None:
    """One log out of two.

    Args:
        firmware: the area of the firmware's log, with whatever follows it.
        runtime: entries of the Attestation Agent.

    Raises:
        DeviceError: the firmware's is malformed.
    """
    if firmware is None and runtime is None:
        return None
    opening = HEADER if firmware is None else cut_event_log(firmware).removesuffix(TERMINATOR)
    return opening + (runtime or b"") + TERMINATOR


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOG_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeviceError(f"the event log {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_LOG_BYTES:
        raise DeviceError(f"the event log {path} is larger than any that is expected")
    return data
