"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, timedelta

from guest.clock import SystemClock


def test_tells_aware_time_and_waits() -> None:
    """Waiting for less than nothing returns at once."""
    clock = SystemClock()
    before = clock.elapsed()
    clock.wait(timedelta(seconds=-5))
    clock.wait(timedelta(milliseconds=2))
    assert clock.elapsed() - before >= timedelta(milliseconds=2)
    assert clock.now().tzinfo is UTC
