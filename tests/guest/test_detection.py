"""Finding the attester."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bare_machine import bare_paths
from emulated_tsm import EmulatedTSM

from guest.attester import Attester, Devices, Place
from guest.detection import (
    attester_names,
    find_attester,
    find_device_attesters,
    load_attester,
)
from guest.errors import ConfigError, NoTEEError
from guest.wire.tees import TEES


def devices(folder: Path, provider: str) -> Devices:
    """A machine whose kernel has that provider and nothing else."""
    return Devices(bare_paths(folder / "nothing", tsm_report=folder), EmulatedTSM(provider, bytes))


@pytest.mark.parametrize("tee", ["nonesuch", "", "os", "../snp", "snp.x", "SNP"])
def test_refuses_an_unknown_name(tmp_path: Path, tee: str) -> None:
    """Names are of files here, and nothing else is imported."""
    with pytest.raises(ConfigError):
        find_attester(tee, devices(tmp_path, "sev_guest"), insecure_sample=True)


def test_refuses_the_sample_when_it_is_only_named(tmp_path: Path) -> None:
    """The insecure word has to be said."""
    with pytest.raises(ConfigError, match="insecure_sample"):
        find_attester("sample", devices(tmp_path, "none"), insecure_sample=False)


def test_never_falls_back_to_the_sample(tmp_path: Path) -> None:
    """A machine without a TEE attests nothing, and says how to learn on one."""
    with pytest.raises(NoTEEError, match="--insecure-sample"):
        find_attester(None, devices(tmp_path, "none"), insecure_sample=False)


def test_uses_the_sample_when_it_is_asked_for(tmp_path: Path) -> None:
    """With the setting, and with no other TEE named."""
    machine = devices(tmp_path, "sev_guest")
    assert find_attester(None, machine, insecure_sample=True).tee == "sample"
    assert find_attester("sample", machine, insecure_sample=True).tee == "sample"
    assert find_attester("snp", machine, insecure_sample=True).tee == "snp"


@pytest.mark.parametrize(
    ("provider", "tee"), [("sev_guest", "snp"), ("tdx_guest", "tdx"), ("arm_cca_guest", "cca")]
)
def test_detects(tmp_path: Path, provider: str, tee: str) -> None:
    """By the kernel's provider."""
    assert find_attester(None, devices(tmp_path, provider), insecure_sample=False).tee == tee


@pytest.mark.parametrize(
    ("tees", "sentence"),
    [
        (("nonesuch",), "device_tees: there is no attester"),
        (("snp",), "snp is no device"),
        (("sampledevice",), "insecure_sample_device"),
    ],
)
def test_refuses_other_devices(tmp_path: Path, tees: tuple[str, ...], sentence: str) -> None:
    """A TEE is no device, and the sample device has to be asked for in so many words."""
    with pytest.raises(ConfigError, match=sentence):
        find_device_attesters(tees, devices(tmp_path, "sev_guest"), insecure_sample_device=False)


def test_a_device_is_no_tee(tmp_path: Path) -> None:
    """A graphics processor does not protect a machine's memory."""
    with pytest.raises(ConfigError, match="device_tees"):
        find_attester("nvidia", devices(tmp_path, "sev_guest"), insecure_sample=True)


def test_finds_devices(tmp_path: Path) -> None:
    """By the machine, or by name; each once; none when the list is empty."""
    machine = devices(tmp_path, "sev_guest")
    assert find_device_attesters(None, machine, insecure_sample_device=False) == ()
    for tees in (None, (), ("sampledevice",), ("sampledevice", "sampledevice")):
        found = find_device_attesters(tees, machine, insecure_sample_device=True)
        assert [each.tee for each in found] == ["sampledevice"]
    found = find_device_attesters(("tpm",), machine, insecure_sample_device=False)
    assert [each.tee for each in found] == ["tpm"]
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "gpu_id").write_text("7")
    paths = bare_paths(tmp_path / "none", dcu=tmp_path, dcu_nodes=tmp_path)
    found = find_device_attesters(None, Devices(paths), insecure_sample_device=False)
    assert [each.tee for each in found] == ["hygondcu"]


def test_every_attester_fits_its_port() -> None:
    """Named after its file, with a rank of its own, and only the sample insecure."""
    attesters: dict[str, Attester] = {name: load_attester(name) for name in attester_names()}
    assert attesters.keys() == TEES - {"nvidia-dpu"}
    assert all(attester.tee == name for name, attester in attesters.items())
    ranks = [attester.rank for attester in attesters.values() if attester.rank is not None]
    assert len(set(ranks)) == len(ranks)
    insecure = {name for name, attester in attesters.items() if attester.insecure}
    assert insecure == {"sample", "sampledevice"}
    ranked = {name for name, attester in attesters.items() if attester.rank is not None}
    devices = {name for name, each in attesters.items() if Place.PRIMARY not in each.place}
    assert ranked == attesters.keys() - devices - {"sample"}
    assert devices == {"hygondcu", "nvidia", "sampledevice"}


def test_looking_for_tees_loads_no_hardware() -> None:
    """The way to each device is loaded once there is one; nor is cryptography, HTTP or ctypes."""
    code = """
import sys
from guest.detection import attester_names, load_attester
for name in attester_names():
    load_attester(name)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert not loaded & {"cryptography", "urllib3", "ctypes", "socket", "ssl"}
    ways = {name for name in loaded if name.startswith("guest.devices.")}
    known = ("configfs_tsm", "nodes", "paths", "tpm_registers")
    assert ways == {f"guest.devices.{name}" for name in known}


INSTALLED = """
from guest.attester import Place

class Acme:
    tee, rank, insecure, place = {tee!r}, None, False, Place.PRIMARY

    def is_present(self, devices):
        return True

    def collect(self, report_data, devices):
        return {{"signed": report_data.hex()}}

ATTESTER = Acme()
"""


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """A package with an attester, as an installer leaves it."""
    (folder / f"{name}_attester.py").write_text(source)
    described = folder / f"{name}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = f"[vouchgate.attesters]\n{name} = {name}_attester:ATTESTER\n"
    (described / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_attester_is_used_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never by itself: whatever is imported runs in the guest."""
    installed(tmp_path, monkeypatch, "acmetee", INSTALLED.format(tee="acmetee"))
    machine = devices(tmp_path, "none")
    found = find_attester("acmetee", machine, insecure_sample=False)
    assert found.collect(b"\1", machine) == {"signed": "01"}
    assert "acmetee" not in attester_names()
    with pytest.raises(NoTEEError):
        find_attester(None, machine, insecure_sample=False)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("acmebroken", "import nothing_of_the_kind"),
        ("acmenone", "ATTESTER = 7"),
        ("acmeother", INSTALLED.format(tee="snp")),
    ],
)
def test_an_installed_attester_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str
) -> None:
    """It cannot be imported, is none, or calls itself another TEE."""
    installed(tmp_path, monkeypatch, name, source)
    with pytest.raises(ConfigError, match=name):
        load_attester(name)
