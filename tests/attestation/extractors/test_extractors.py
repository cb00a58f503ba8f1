"""Extractors by name: only what is named, and only what fits."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from app.attestation import extractors
from app.attestation.extractors import built_in_extractors, load_extractors
from app.trust.errors import ConfigError


def test_every_built_in_extractor_loads_under_its_name() -> None:
    """The name in the settings is the type of the message."""
    loaded = load_extractors(built_in_extractors())
    assert {"in-toto", "sample"} <= set(loaded)
    assert all(each.type == name for name, each in loaded.items())


@pytest.mark.parametrize("name", ["", "nonesuch", "in_toto", "../sample", "__init__"])
def test_a_name_that_is_nothing_is_a_fault(name: str) -> None:
    """It is named with the setting, and nothing is loaded."""
    with pytest.raises(ConfigError) as refusal:
        load_extractors(["sample", name])
    assert list(refusal.value.faults) == [f"rvps.extractors: there is no extractor {name!r}"]


@pytest.mark.parametrize(
    ("target", "loads"),
    [
        ("app.attestation.extractors.sample:EXTRACTOR", True),
        ("app.attestation.extractors.in_toto:EXTRACTOR", False),
        ("app.attestation.extractors.sample:MISSING", False),
        ("no_such_module:EXTRACTOR", False),
        ("json:dumps", False),
    ],
)
def test_installed_extractors_are_found_by_their_entry_point(
    monkeypatch: pytest.MonkeyPatch, target: str, loads: bool
) -> None:
    """One that cannot be imported, or is something else, stops the start."""

    def installed(**wanted: Any) -> EntryPoints:
        point = EntryPoint("sample", target, extractors.ENTRY_POINT_GROUP)
        return EntryPoints([point]).select(**wanted)

    monkeypatch.setattr(extractors, "entry_points", installed)
    monkeypatch.setattr(extractors, "built_in_extractors", list)
    if loads:
        assert set(load_extractors(["sample"])) == {"sample"}
    else:
        with pytest.raises(ConfigError):
            load_extractors(["sample"])
