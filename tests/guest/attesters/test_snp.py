"""The SNP attester, over an emulated kernel and a real report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bare_machine import bare_paths
from emulated_tsm import EmulatedTSM
from paths import VECTORS

from guest.attester import Devices
from guest.attesters.snp import ATTESTER
from guest.errors import DeviceError

GENOA = (VECTORS / "snp" / "e2e-report-genoa-v3.bin").read_bytes()
EVIDENCE = json.loads((VECTORS / "snp" / "e2e-evidence-genoa-v3.json").read_text())


def devices(folder: Path, kernel: EmulatedTSM) -> Devices:
    """The way to an emulated kernel."""
    return Devices(bare_paths(folder / "nothing", tsm_report=folder), kernel)


def test_refuses_what_is_no_report(tmp_path: Path) -> None:
    """A kernel that answers with something else is not believed."""
    kernel = EmulatedTSM("sev_guest", lambda _: b"report")
    with pytest.raises(DeviceError):
        ATTESTER.collect(bytes(48), devices(tmp_path, kernel))


def test_refuses_long_report_data(tmp_path: Path) -> None:
    """65 bytes are not cut to fit."""
    with pytest.raises(DeviceError):
        ATTESTER.collect(bytes(65), devices(tmp_path, EmulatedTSM("sev_guest", lambda _: GENOA)))


def test_makes_the_evidence_of_the_field(tmp_path: Path) -> None:
    """Report data is padded with zeros; the JSON is the one that verifiers know."""
    kernel = EmulatedTSM("sev_guest", lambda _: GENOA, auxblob=b"")
    evidence = ATTESTER.collect(b"\1" * 48, devices(tmp_path, kernel))
    assert kernel.writes == [b"\1" * 48 + bytes(16)]
    assert evidence["cert_chain"] is None
    report = evidence["attestation_report"]
    assert report | EVIDENCE["attestation_report"] == report


def test_is_found_by_provider_or_device(tmp_path: Path) -> None:
    """Either is enough."""
    assert ATTESTER.is_present(devices(tmp_path, EmulatedTSM("sev_guest", bytes)))
    other = devices(tmp_path, EmulatedTSM("tdx_guest", bytes))
    assert not ATTESTER.is_present(other)
    assert ATTESTER.is_present(replace(other, paths=replace(other.paths, sev_guest=tmp_path)))
