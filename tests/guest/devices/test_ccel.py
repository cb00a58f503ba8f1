"""Cutting the firmware's event log."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS

from guest.devices.ccel import TERMINATOR, cut_event_log
from guest.errors import DeviceError

SPEC_ID = struct.pack("<16sIBBBBIHHHHB", b"Spec ID Event03\0", 0, 0, 2, 0, 2, 2, 12, 48, 18, 32, 0)
FIRST = struct.pack("<II20sI", 0, 3, bytes(20), len(SPEC_ID)) + SPEC_ID
EVENT = struct.pack("<IIIH48sI", 1, 4, 1, 12, b"\xff" * 48, 4) + b"\xff\xff\xff\0"
LOG = FIRST + EVENT + EVENT


@pytest.mark.parametrize("fill", [b"", b"\xff" * 8, b"\xff" * 5000, bytes(8), bytes(5000)])
def test_cuts_where_the_log_ends(fill: bytes) -> None:
    """What fills the table goes, events that end in the same bytes stay."""
    assert cut_event_log(LOG + fill) == LOG + TERMINATOR


@pytest.mark.parametrize(
    "area",
    [
        b"",
        FIRST[:-1],
        LOG + b"\1",
        LOG[:-1],
        FIRST + EVENT[:20],
        FIRST + struct.pack("<IIIH", 1, 4, 1, 4) + bytes(24),
        FIRST + struct.pack("<III", 1, 4, 2**32 - 1) + bytes(24),
        FIRST + struct.pack("<IIIH48sI", 1, 4, 1, 12, bytes(48), 2**32 - 1),
        struct.pack("<II20sI", 0, 3, bytes(20), 2**32 - 1),
    ],
)
def test_refuses_a_malformed_log(area: bytes) -> None:
    """Cut off, with an undeclared algorithm, or longer than the table."""
    with pytest.raises(DeviceError):
        cut_event_log(area)


def test_refuses_a_log_beyond_measure() -> None:
    """Firmware logs have some hundred kilobytes."""
    with pytest.raises(DeviceError):
        cut_event_log(bytes(16 * 1024 * 1024 + 1))


def test_a_real_log_is_a_prefix_of_its_table() -> None:
    """A captured CCEL table."""
    area = (VECTORS / "eventlog" / "CCEL_data").read_bytes()
    log = cut_event_log(area)
    assert log.endswith(TERMINATOR)
    assert area.startswith(log[:-8])
    assert set(area[len(log) - 8 :]) <= {0x00, 0xFF}


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(LOG) - 1), value=st.integers(0, 255), end=st.integers(0, len(LOG)))
def test_any_log_is_cut_or_refused(at: int, value: int, end: int) -> None:
    """No other error, whatever the bytes."""
    changed = LOG[:at] + bytes([value]) + LOG[at + 1 :]
    try:
        cut_event_log(changed[:end])
    except DeviceError:
        return
