"""Verifiers are found by name, and only those that an operator names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.attestation.verifiers import known_verifiers, load_verifiers
from app.trust.errors import ConfigError

PLUGIN = """
class Plugin:
    tee, insecure = {tee!r}, {insecure}

    def verify(self, evidence, binding, context):
        return []

VERIFIER = Plugin()
"""


class Installation:
    """Distributions that are installed for the length of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, *, tee: str, insecure: bool = False, target: str = "") -> None:
        """A distribution with one verifier as an entry point."""
        module = f"vouchgate_test_{name.replace('-', '_')}"
        source = PLUGIN.format(tee=tee, insecure=insecure)
        (self.folder / f"{module}.py").write_text(source, "utf-8")
        metadata = self.folder / f"{module}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        points = f"[vouchgate.verifiers]\n{name} = {target or f'{module}:VERIFIER'}\n"
        (metadata / "entry_points.txt").write_text(points)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A place that Python looks for distributions in."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("vouchgate_test_")]:
        monkeypatch.delitem(sys.modules, name)
    return Installation(tmp_path)


@pytest.mark.parametrize("name", ["nonesuch", "", "SNP", "snp.py", "../snp", "__init__", "a_b"])
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(name: str) -> None:
    """The operator sees what could have been meant."""
    with pytest.raises(ConfigError, match=r"there are .*snp"):
        load_verifiers([name], allow_insecure=True)


def test_an_insecure_verifier_needs_to_be_allowed() -> None:
    """Anyone can forge its evidence."""
    with pytest.raises(ConfigError, match="insecure_allow_sample"):
        load_verifiers(["sample"], allow_insecure=False)


def test_all_faults_are_listed() -> None:
    """The operator repairs once."""
    with pytest.raises(ConfigError) as refusal:
        load_verifiers(["sample", "nonesuch", "snp", "snp"], allow_insecure=False)
    assert len(refusal.value.faults) == 3


def test_built_in_verifiers_are_loaded_by_wire_name() -> None:
    """Those that were named, and no others."""
    verifiers = load_verifiers(["sample", "snp"], allow_insecure=True)
    assert [verifiers[name].tee for name in verifiers] == ["sample", "snp"]


def test_nothing_enabled_loads_nothing() -> None:
    """An Attestation Service without verifiers vouches for nobody."""
    assert load_verifiers([], allow_insecure=False) == {}


def test_an_installed_verifier_is_loaded_when_it_is_named(installation: Installation) -> None:
    """Its wire name is its own."""
    installation.install("acme", tee="acme-vm")
    assert "acme" in known_verifiers()
    assert set(load_verifiers(["acme"], allow_insecure=False)) == {"acme-vm"}


def test_an_installed_verifier_does_not_replace_a_built_in_one(
    installation: Installation,
) -> None:
    """A package must not take over a name that operators know."""
    installation.install("snp", tee="forged")
    assert set(load_verifiers(["snp"], allow_insecure=False)) == {"snp"}


def test_two_verifiers_of_one_wire_name_are_refused(installation: Installation) -> None:
    """Nobody could say which one vouched."""
    installation.install("acme", tee="snp")
    with pytest.raises(ConfigError, match="two verifiers for 'snp'"):
        load_verifiers(["snp", "acme"], allow_insecure=False)


def test_an_installed_insecure_verifier_needs_to_be_allowed(installation: Installation) -> None:
    """Wherever it comes from."""
    installation.install("acme", tee="acme", insecure=True)
    with pytest.raises(ConfigError):
        load_verifiers(["acme"], allow_insecure=False)


@pytest.mark.parametrize("target", ["vouchgate_nowhere:V", "json:NOWHERE", "json:dumps"])
def test_an_installed_verifier_that_does_not_fit_is_refused(
    installation: Installation, target: str
) -> None:
    """It cannot be imported, or is something else."""
    installation.install("acme", tee="acme", target=target)
    with pytest.raises(ConfigError, match="acme"):
        load_verifiers(["acme"], allow_insecure=False)
