"""The attester of Hygon's accelerators, over a stand-in for ``/dev/mkfd``."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.device_nodes import Driver, StandInNodes, mkfd, refusing
from simulated.hygon import SERIAL, Site

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.hygondcu import HygonDCUVerifier
from app.trust.errors import BindingMismatchError
from guest.attester import Devices
from guest.attesters.hygondcu import ATTESTER
from guest.errors import DeviceError, NoTEEError

SITE = Site()
REPORT_DATA = hashlib.sha384(b"nonce and key").digest()


def machine(folder: Path, ids: tuple[str, ...], driver: Driver | None = None) -> Devices:
    """A machine with these ids in its topology."""
    path, nodes = folder / "mkfd", folder / "nodes"
    folder.mkdir(exist_ok=True)
    path.touch()
    for number, each in enumerate(ids):
        (nodes / str(number)).mkdir(parents=True)
        (nodes / str(number) / "gpu_id").write_text(each)
    paths = bare_paths(folder / "none", dcu=path, dcu_nodes=nodes)
    return Devices(paths, nodes=StandInNodes({path: driver or mkfd(SITE)}))


def verify(evidence: Any, report_data: bytes = REPORT_DATA) -> list[dict[str, Any]]:
    """Claims under the simulated Hygon."""
    verifier = HygonDCUVerifier().with_extra_roots(SITE.root())
    source = MemoryCollateral({f"hygon/hsk_cek/{SERIAL.lower()}": SITE.pair()})
    found = verifier.verify(
        UnverifiedEvidence("hygondcu", evidence), Binding(report_data), Context(NOON, source)
    )
    return [each.values for each in found]


@pytest.mark.parametrize("ids", [("x\n",), ("7\n",) * 65, ()], ids=["text", "many", "none"])
def test_refuses_another_topology(tmp_path: Path, ids: tuple[str, ...]) -> None:
    """What cannot be read is not the same as no accelerator."""
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, ids))


def test_a_machine_without_accelerators_has_no_evidence(tmp_path: Path) -> None:
    """Processors stand in the topology, too; an empty list would prove nothing."""
    devices = machine(tmp_path, ("0\n", "0\n"))
    assert not ATTESTER.is_present(devices)
    with pytest.raises(NoTEEError):
        ATTESTER.collect(REPORT_DATA, devices)
    assert not ATTESTER.is_present(Devices(bare_paths(tmp_path / "none")))


@pytest.mark.parametrize(
    "driver", [refusing(errno.EIO), mkfd(SITE, size=0), mkfd(SITE, size=4096), mkfd(SITE, ids=(7,))]
)
def test_one_that_makes_no_report_fails_all(tmp_path: Path, driver: Driver) -> None:
    """Upstream leaves such a one out."""
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, ("0\n", "7\n", "9\n"), driver))


def test_the_verifier_accepts_the_evidence(tmp_path: Path) -> None:
    """One report of each accelerator, none of the processor."""
    devices = machine(tmp_path, ("0\n", "7\n"))
    assert ATTESTER.is_present(devices)
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    (claims,) = verify(evidence)
    assert claims["body"]["measure"] == "07" * 32
    assert claims["report_data"] == REPORT_DATA.ljust(64, b"\0").hex()
    with pytest.raises(BindingMismatchError):
        verify(evidence, REPORT_DATA[::-1])
    both = ATTESTER.collect(REPORT_DATA, machine(tmp_path / "other", ("7", "9")))
    assert len(both["attestation_reports"]) == 2
