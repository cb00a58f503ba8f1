"""The SNP attester on a kernel without configfs-tsm, over a stand-in for ``/dev/sev-guest``."""

from __future__ import annotations

import errno
import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from simulated.device_nodes import Driver, SevGuest, StandInNodes, refusing
from simulated.snp_site import Site

from app.attestation.evidence import Binding
from app.lab.snp import ReportFields
from app.trust.errors import BindingMismatchError
from guest.attester import Devices
from guest.attesters.snp import ATTESTER
from guest.errors import AttesterError, DeviceError, NoTEEError

SITE = Site()
REPORT_DATA = hashlib.sha384(b"nonce and key").digest()
HOST_DATA = hashlib.sha256(b"init data").digest()


def report(user_data: bytes) -> bytes:
    """A report of the simulated chip."""
    return SITE.chip.report(ReportFields(version=3, report_data=user_data, host_data=HOST_DATA))


def table(vcek: bytes) -> bytes:
    """A certificate table with one entry (GHCB specification)."""
    guid = uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes
    entry = guid + (48).to_bytes(4, "little") + len(vcek).to_bytes(4, "little")
    return entry + bytes(24) + vcek


def machine(folder: Path, driver: Driver, clock: Any, **options: Any) -> Devices:
    """A guest with the device and no configfs."""
    path = folder / "sev-guest"
    path.touch()
    paths = bare_paths(folder / "none", sev_guest_node=path)
    return Devices(paths, nodes=StandInNodes({path: driver}, **options), clock=clock)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.EFAULT, errno.ENOTTY])
def test_says_that_the_device_refused(tmp_path: Path, clock: Any, code: int) -> None:
    """Whatever the reason, nothing else is tried."""
    devices = machine(tmp_path, refusing(code), clock)
    with pytest.raises(DeviceError, match="refused"):
        ATTESTER.collect(REPORT_DATA, devices)
    assert devices.nodes.opened == 0


def test_a_device_that_vanishes_is_an_error(tmp_path: Path, clock: Any) -> None:
    """Between being opened and being asked, and before."""
    devices = machine(tmp_path, SevGuest(report), clock, gone=True)
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, devices)
    with pytest.raises(NoTEEError):
        ATTESTER.collect(REPORT_DATA, Devices(devices.paths, nodes=StandInNodes({})))


@pytest.mark.parametrize(
    "driver",
    [
        SevGuest(report, status=0x16),
        SevGuest(report, size=0),
        SevGuest(report, size=4000),
        SevGuest(lambda _: bytes(1184)),
        SevGuest(report, table_pages=5),
        SevGuest(report, table=b"\xff" * 16384),
    ],
    ids=["status", "no report", "longer", "zeros", "huge table", "garbage table"],
)
def test_refuses_what_the_firmware_may_not_answer(
    tmp_path: Path, clock: Any, driver: Driver
) -> None:
    """A status, another size, an unknown version, a table that has no end."""
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, driver, clock))


def test_a_busy_host_is_waited_for_and_given_up(tmp_path: Path, clock: Any) -> None:
    """Ten times a second."""
    with pytest.raises(DeviceError, match="too busy"):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, SevGuest(report, busy=99), clock))
    assert clock.waits == [1.0] * 10
    evidence = ATTESTER.collect(REPORT_DATA, machine(tmp_path, SevGuest(report, busy=2), clock))
    assert evidence["cert_chain"] is None


def test_the_verifier_accepts_the_evidence(tmp_path: Path, clock: Any) -> None:
    """The host's certificate came along, so no one else is asked for it."""
    devices = machine(tmp_path, SevGuest(report, table(SITE.chip.certificate)), clock)
    assert ATTESTER.is_present(devices)
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    claims = SITE.verify(evidence, Binding(REPORT_DATA, HOST_DATA)).values
    assert claims["report_data"] == REPORT_DATA.ljust(64, b"\0").hex()
    with pytest.raises(BindingMismatchError):
        SITE.verify(evidence, Binding(REPORT_DATA[::-1]))
    assert ATTESTER.init_data_field(devices) == HOST_DATA


def test_a_guest_without_either_way_makes_no_evidence(tmp_path: Path) -> None:
    """Nor is it found."""
    nothing = Devices(bare_paths(tmp_path / "none"))
    assert not ATTESTER.is_present(nothing)
    with pytest.raises(AttesterError):
        ATTESTER.collect(REPORT_DATA, nothing)
