"""Libraries of drivers: loaded when a service is opened, named when they are missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from kms_rigs import PROVIDERS, Rig
from paths import ROOT

from guest.errors import KMSExtraError
from guest.kms.registry import missing_libraries, provider_names

DRIVERS = [name for name in provider_names() if import_module(f"guest.kms.{name}").LIBRARIES]


@pytest.mark.parametrize("provider", DRIVERS)
def test_a_missing_library_names_its_extra(
    provider: str, rig_of: Callable[[str], Rig], monkeypatch: Any
) -> None:
    """With the command that installs it."""
    rig = rig_of(provider)
    for library in import_module(f"guest.kms.{provider}").LIBRARIES:
        for name in [*sys.modules, library]:
            if name == library or name.startswith(f"{library}."):
                monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(KMSExtraError, match=rf"pip install 'vouchgate-guest\[{provider}\]'"):
        rig.open()


def test_every_driver_has_its_extra() -> None:
    """In the package's metadata, by the driver's name."""
    project = tomllib.loads((ROOT / "guest" / "pyproject.toml").read_text())["project"]
    assert set(DRIVERS) <= project["optional-dependencies"].keys()
    assert len(project["dependencies"]) == 3


def test_no_library_is_loaded_with_its_driver() -> None:
    """Whoever uses one service pays for one."""
    libraries = [each for name in DRIVERS for each in import_module(f"guest.kms.{name}").LIBRARIES]
    program = (
        "import sys\nfrom importlib import import_module\n"
        f"for name in {provider_names()!r}: import_module('guest.kms.' + name)\n"
        f"print([name for name in {libraries!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_tells_what_is_missing() -> None:
    """Everything is here, where the tests run."""
    assert [missing for name in provider_names() for missing in missing_libraries(name)] == []


def test_every_driver_is_held_to_the_suite() -> None:
    """But the KBS's, which encrypts nothing."""
    assert sorted(PROVIDERS) == [name for name in provider_names() if name != "kbs"]
