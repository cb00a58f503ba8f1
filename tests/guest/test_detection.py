"""Finding the attester."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated_tsm import EmulatedTSM

from guest.attester import Attester, Devices
from guest.detection import attester_names, find_attester, load_attester
from guest.devices.paths import DevicePaths
from guest.errors import ConfigError, NoTEEError


def devices(folder: Path, provider: str) -> Devices:
    """A machine whose kernel has that provider and nothing else."""
    nothing = folder / "nothing"
    paths = DevicePaths(folder, tdx_guest=nothing, sev_guest=nothing, gramine=nothing, ccel=nothing)
    return Devices(paths, EmulatedTSM(provider, bytes))


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


@pytest.mark.parametrize(("provider", "tee"), [("sev_guest", "snp"), ("tdx_guest", "tdx")])
def test_detects(tmp_path: Path, provider: str, tee: str) -> None:
    """By the kernel's provider."""
    assert find_attester(None, devices(tmp_path, provider), insecure_sample=False).tee == tee


def test_every_attester_fits_its_port() -> None:
    """Named after its file, with a rank of its own, and only the sample insecure."""
    attesters: dict[str, Attester] = {name: load_attester(name) for name in attester_names()}
    assert attesters.keys() >= {"sample", "sgx", "snp", "tdx"}
    assert all(attester.tee == name for name, attester in attesters.items())
    ranks = [attester.rank for attester in attesters.values() if attester.rank is not None]
    assert len(set(ranks)) == len(ranks)
    assert {name for name, attester in attesters.items() if attester.insecure} == {"sample"}
