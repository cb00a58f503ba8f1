"""The attester of NVIDIA's graphics processors, over a stand-in for the driver's library."""

from __future__ import annotations

import ctypes
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.nvidia import Report, SimulatedNVIDIA

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.errors import BindingMismatchError
from guest.attester import Devices
from guest.attesters.nvidia import ATTESTER, NVIDIAAttester
from guest.devices import nvml
from guest.errors import DeviceError, NoTEEError

FOLDER = VECTORS / "nvidia"
GENUINE_NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
REPORT_DATA = hashlib.sha384(b"nonce and key").digest()
SITE = SimulatedNVIDIA()


@dataclass
class StandInLibrary:
    """NVML as ``nvml.h`` describes it: results by pointers, a code as the return value.

    Attributes:
        make: from a nonce to a report.
        chain: in PEM.
        refuses: code by function.
    """

    make: Any
    chain: bytes
    confidential: int = 1
    count: int = 1
    architecture: int = 9
    refuses: dict[str, int] = field(default_factory=dict)
    report_size: int | None = None
    started: int = 0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        if self.refuses.get(name) == -1:
            raise AttributeError(name)
        return lambda *arguments: self.refuses.get(name) or self._run(name, arguments)

    def _run(self, name: str, arguments: tuple[Any, ...]) -> int:
        self.started += {"nvmlInit_v2": 1, "nvmlShutdown": -1}.get(name, 0)
        if name == "nvmlSystemGetConfComputeState":
            arguments[0].contents.cc_feature = self.confidential
        elif name == "nvmlDeviceGetCount_v2":
            arguments[0].contents.value = self.count
        elif name == "nvmlDeviceGetHandleByIndex_v2":
            arguments[1].contents.value = 0x1000 + arguments[0].value
        elif name == "nvmlDeviceGetArchitecture":
            arguments[1].contents.value = self.architecture
        elif name == "nvmlDeviceGetUUID":
            arguments[1].value = b"GPU-1"
        elif name == "nvmlDeviceGetConfComputeGpuAttestationReport":
            self._report(arguments[1].contents)
        elif name == "nvmlDeviceGetConfComputeGpuCertificate":
            found = arguments[1].contents
            found.attestation_chain[: len(self.chain)] = self.chain
            found.attestation_chain_size = len(self.chain)
        return 0

    def _report(self, found: Any) -> None:
        made = self.make(bytes(found.nonce))
        found.report[: len(made)] = made
        found.report_size = len(made) if self.report_size is None else self.report_size


def simulated(**options: Any) -> StandInLibrary:
    """A driver of simulated processors."""
    chain = b"".join(each.pem for each in SITE.chain())
    return StandInLibrary(lambda nonce: Report(nonce).signed_by(SITE.device), chain, **options)


def machine(folder: Path) -> Devices:
    """A machine with the driver's control device."""
    (folder / "nvidiactl").touch()
    return Devices(bare_paths(folder / "none", nvidia=folder / "nvidiactl"))


def collect(library: Any, folder: Path, report_data: bytes = REPORT_DATA) -> Any:
    """Evidence by a driver."""
    return NVIDIAAttester(lambda: library).collect(report_data, machine(folder))


def test_structures_are_those_of_the_header() -> None:
    """Sizes that a C compiler gives to the structures of ``nvml.h``."""
    assert ctypes.sizeof(nvml.SystemState) == 12
    assert ctypes.sizeof(nvml.Report) == 12 + 32 + 0x2000 + 0x1000
    assert ctypes.sizeof(nvml.Certificates) == 8 + 0x1000 + 0x1400
    assert nvml.Report.report.offset == 44


@pytest.mark.parametrize(
    "options",
    [
        {"confidential": 0},
        {"count": 0},
        {"count": 1000},
        {"architecture": 8},
        {"report_size": 0},
        {"report_size": 0x2001},
        {"refuses": {"nvmlInit_v2": 9}},
        {"refuses": {"nvmlDeviceGetConfComputeGpuAttestationReport": 3}},
        {"refuses": {"nvmlDeviceGetConfComputeGpuCertificate": 999}},
        {"refuses": {"nvmlDeviceGetConfComputeGpuCertificate": -1}},
    ],
    ids=str,
)
def test_no_evidence_without_every_report(tmp_path: Path, options: Any) -> None:
    """Upstream writes failures into a log and sends an empty list."""
    library = simulated(**options)
    with pytest.raises((DeviceError, NoTEEError)):
        collect(library, tmp_path)
    assert library.started == 0


def test_is_found_only_where_it_can_attest(tmp_path: Path) -> None:
    """A driver without confidential computing is no device of ours, nor one that is not there."""
    devices = machine(tmp_path)
    assert NVIDIAAttester(simulated).is_present(devices)
    assert not NVIDIAAttester(lambda: simulated(confidential=0)).is_present(devices)
    assert not NVIDIAAttester(lambda: simulated(refuses={"nvmlInit_v2": 1})).is_present(devices)
    assert not NVIDIAAttester(simulated).is_present(Devices(bare_paths(tmp_path / "none")))
    # This machine has no such driver.
    assert not ATTESTER.is_present(devices)


def test_the_verifier_accepts_the_evidence(tmp_path: Path) -> None:
    """SPDM's nonce is the first 32 bytes of the digest."""
    evidence = collect(simulated(), tmp_path)
    verifier = NVIDIAVerifier().with_extra_roots(SITE.root.pem)
    context = Context(NOON, MemoryCollateral({}))
    (claims,) = verifier.verify(
        UnverifiedEvidence("nvidia", evidence), Binding(REPORT_DATA), context
    )
    assert claims.values["uuid"] == "GPU-1"
    with pytest.raises(BindingMismatchError):
        verifier.verify(UnverifiedEvidence("nvidia", evidence), Binding(REPORT_DATA[::-1]), context)


def test_a_genuine_report_gives_its_claims(tmp_path: Path) -> None:
    """What an H100 answered, through the guest's code to the verifier under NVIDIA's root."""
    report = bytes.fromhex((FOLDER / "hopperAttestationReport.txt").read_text().strip())
    chain = (FOLDER / "hopper_cert_chain_case1.txt").read_bytes()
    evidence = collect(StandInLibrary(lambda _: report, chain), tmp_path, GENUINE_NONCE)
    (claims,) = NVIDIAVerifier().verify(
        UnverifiedEvidence("nvidia", evidence),
        Binding(GENUINE_NONCE),
        Context(NOON, MemoryCollateral({})),
    )
    expected = json.loads((FOLDER / "hopperAttestationReport.claims.json").read_text())
    assert claims.values == expected | {"uuid": "GPU-1"}
