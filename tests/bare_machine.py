"""A machine without any TEE, on which a test puts what it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guest.devices.paths import DevicePaths


def bare_paths(nothing: Path, **there: Path) -> DevicePaths:
    """Every path leads to nothing, but for the given ones."""
    return DevicePaths(**{name: there.get(name, nothing) for name in DevicePaths.__slots__})


def bare_settings(nothing: Path) -> dict[str, Any]:
    """The same as the table ``devices`` of settings."""
    return dict.fromkeys(DevicePaths.__slots__, str(nothing))
