"""``vouchgate settings``."""

from __future__ import annotations

import json

import pytest
from command_site import Site


def test_what_is_missing_goes_to_standard_error(site: Site) -> None:
    """The lines are the answer; what is wrong stands beside it."""
    (site.folder / "admin-public.pem").unlink()
    result = site.run("settings", "--written")
    assert result.exit_code == 0
    assert "admin-public.pem" in result.stderr
    assert "server.threads" not in result.stdout


def test_weakening_settings_are_marked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the environment is named where it overrides."""
    monkeypatch.setenv("VOUCHGATE_SERVER__THREADS", "9")
    lines = {line.split("\t")[0]: line.split("\t") for line in site.does("settings").splitlines()}
    assert lines["attestation.insecure_allow_sample"][-1] == "INSECURE"
    assert lines["server.threads"][1:] == ["9", "VOUCHGATE_SERVER__THREADS"]
    assert lines["server.workers"][1:] == ["2", "default"]


def test_programs_get_what_the_interface_gives(site: Site) -> None:
    """JSON with the meaning of each."""
    found = json.loads(site.does("settings", "--json"))
    assert found["faults"] == []
    assert {line["name"]: line["meaning"] for line in found["settings"]}["server.workers"]
