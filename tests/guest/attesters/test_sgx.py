"""The SGX attester, over a folder like Gramine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from guest.attester import Devices
from guest.attesters.sgx import ATTESTER
from guest.devices.paths import DevicePaths
from guest.errors import DeviceError
from guest.wire.encoding import b64_decode


def devices(folder: Path) -> Devices:
    """The way to Gramine's files."""
    return Devices(DevicePaths(gramine=folder))


def test_refuses_a_gramine_that_makes_no_quote(tmp_path: Path) -> None:
    """Nothing there, or an empty quote."""
    with pytest.raises(DeviceError):
        ATTESTER.collect(bytes(48), devices(tmp_path / "none"))
    (tmp_path / "quote").touch()
    with pytest.raises(DeviceError):
        ATTESTER.collect(bytes(48), devices(tmp_path))


def test_makes_a_quote(tmp_path: Path) -> None:
    """The report data goes in padded, the quote comes out."""
    (tmp_path / "quote").write_bytes(b"a quote")
    evidence = ATTESTER.collect(b"\1" * 48, devices(tmp_path))
    assert b64_decode(evidence["quote"]) == b"a quote"
    assert (tmp_path / "user_report_data").read_bytes() == b"\1" * 48 + bytes(16)


@pytest.mark.parametrize(("text", "found"), [("dcap", True), ("dcap\n", False), ("none", False)])
def test_is_found_where_gramine_says_dcap(tmp_path: Path, text: str, *, found: bool) -> None:
    """The exact word."""
    assert not ATTESTER.is_present(devices(tmp_path))
    (tmp_path / "attestation_type").write_text(text, encoding="ascii")
    assert ATTESTER.is_present(devices(tmp_path)) is found
