"""What attesters share."""

from __future__ import annotations

from pathlib import Path

import pytest

from guest.attester import pad_report_data, path_exists
from guest.errors import DeviceError


def test_refuses_to_cut_report_data() -> None:
    """A digest that does not fit is an error, not a prefix."""
    with pytest.raises(DeviceError):
        pad_report_data(bytes(65))


def test_pads_report_data_on_the_right() -> None:
    """guest.md, section 3."""
    assert pad_report_data(b"\1" * 48) == b"\1" * 48 + bytes(16)
    assert pad_report_data(bytes(64)) == bytes(64)


def test_looks_at_paths_without_raising(tmp_path: Path) -> None:
    """A name too long for the filesystem is not there."""
    assert path_exists(tmp_path)
    assert not path_exists(tmp_path / "none")
    assert not path_exists(tmp_path / ("x" * 5000))
