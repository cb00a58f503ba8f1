"""The TDX attester, over an emulated kernel and a real quote and log."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from bare_machine import bare_paths
from emulated_tdx import EmulatedTDX
from emulated_tsm import EmulatedTSM
from paths import VECTORS
from simulated.device_nodes import StandInNodes, refusing, tdx_guest

from guest.attester import Devices
from guest.attesters.tdx import ATTESTER
from guest.devices.ccel import cut_event_log
from guest.errors import DeviceError, NoTEEError
from guest.wire.encoding import b64_decode

QUOTE = (VECTORS / "tdx" / "tdx_quote_4.dat").read_bytes()
CCEL = VECTORS / "eventlog" / "CCEL_data"


def devices(folder: Path, provider: str = "tdx_guest", ccel: Path | None = None) -> Devices:
    """The way to an emulated kernel."""
    nothing = folder / "nothing"
    paths = bare_paths(nothing, tsm_report=folder, ccel=ccel or nothing)
    return Devices(paths, EmulatedTSM(provider, lambda _: QUOTE))


def test_refuses_another_provider(tmp_path: Path) -> None:
    """An SNP guest makes no quotes."""
    with pytest.raises(NoTEEError):
        ATTESTER.collect(bytes(48), devices(tmp_path, "sev_guest"))


def test_refuses_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    """A log that is there and unreadable is not the same as none."""
    (tmp_path / "ccel").mkdir()
    with pytest.raises(DeviceError):
        ATTESTER.collect(bytes(48), devices(tmp_path, ccel=tmp_path / "ccel"))


def test_makes_a_quote_without_a_log(tmp_path: Path) -> None:
    """guest.md 3.3: null where there is no log."""
    evidence = ATTESTER.collect(bytes(48), devices(tmp_path))
    assert b64_decode(evidence["quote"]) == QUOTE
    assert evidence["cc_eventlog"] is None


def test_makes_a_quote_with_its_log(tmp_path: Path) -> None:
    """The log is cut where it ends."""
    evidence = ATTESTER.collect(bytes(48), devices(tmp_path, ccel=CCEL))
    assert b64_decode(evidence["cc_eventlog"]) == cut_event_log(CCEL.read_bytes())


def test_an_older_kernel_tells_mrconfigid_by_its_report(tmp_path: Path) -> None:
    """Without the file of newer kernels: the TDREPORT, by ioctl; what refuses it is an error."""
    path, value = tmp_path / "tdx_guest", bytes(range(48))
    path.touch()
    paths = bare_paths(tmp_path / "none", tdx_guest=path)
    nodes = StandInNodes({path: tdx_guest(value)})
    assert ATTESTER.init_data_field(Devices(paths, nodes=nodes)) == value
    for broken in (
        StandInNodes({path: refusing(errno.EIO)}),
        StandInNodes({path: refusing(22)}, True),
    ):
        with pytest.raises(DeviceError):
            ATTESTER.init_data_field(Devices(paths, nodes=broken))


def test_a_register_of_another_size_is_none(tmp_path: Path) -> None:
    """48 bytes, or the kernel is not the one we know."""
    kernel = EmulatedTDX("tdx_guest", lambda _: QUOTE, registers=[bytes(32)] * 4)
    other = Devices(bare_paths(tmp_path / "none", tdx_measurements=tmp_path), kernel)
    with pytest.raises(DeviceError):
        ATTESTER.read_register(17, other)


def test_is_found_by_provider_or_device(tmp_path: Path) -> None:
    """Either is enough."""
    assert ATTESTER.is_present(devices(tmp_path))
    other = devices(tmp_path, "sev_guest")
    assert not ATTESTER.is_present(other)
    assert ATTESTER.is_present(replace(other, paths=replace(other.paths, tdx_guest=tmp_path)))
