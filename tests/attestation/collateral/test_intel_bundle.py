"""Trustee's offline file of Intel's collateral."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import REPORT_DATA, BundleSource, machine, verify_td

from app.attestation.collateral.intel import UpdateType
from app.attestation.collateral.intel_bundle import IntelBundle
from app.trust.errors import CollateralUnavailableError, ConfigError

GENUINE = VECTORS / "dcap" / "offline-bundle.json"
TCB = "intel/tdx/tcb/50806f000000"


@pytest.fixture
def bundle() -> dict[str, Any]:
    """The simulated machine's collateral in the form of the file."""
    return machine().publication.bundle()


def written(folder: Path, content: Any) -> Path:
    """A file with this content."""
    path = folder / "bundle.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"collaterals": []}', '{"collaterals": {}}', "{" * 10_000, '{"a":1,"a":2}'],
)
def test_refuses_a_file_that_is_no_bundle(tmp_path: Path, content: str) -> None:
    """At start-up, as a fault of the setting."""
    with pytest.raises(ConfigError, match=r"collateral\.intel_bundle"):
        IntelBundle(written(tmp_path, content))


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    """At start-up, too."""
    with pytest.raises(ConfigError, match="cannot be read"):
        IntelBundle(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        IntelBundle(tmp_path)


def test_refuses_a_list_from_elsewhere(tmp_path: Path, bundle: dict[str, Any]) -> None:
    """Where the file says where its root list is from, that is what the root says."""
    bundle["collaterals"]["rootcacrl_cdp"] = "https://elsewhere.example/crl.der"
    with pytest.raises(ConfigError, match="rootcacrl_cdp"):
        IntelBundle(written(tmp_path, bundle))
    del bundle["collaterals"]["rootcacrl_cdp"]
    assert IntelBundle(written(tmp_path, bundle)).find("intel/rootcacrl") is not None


FAULTS: dict[str, tuple[str, Any, str]] = {
    "TCB infos that are no list": ("tcbinfos", {}, TCB),
    "lists that are no object": ("pckcacrl", [], "intel/pckcrl/platform"),
    "a list that is no hex": ("pckcacrl", {"platformCrl": "zz"}, "intel/pckcrl/platform"),
    "a list that is a number": ("rootcacrl", 7, "intel/rootcacrl"),
    "chains that are no object": ("certificates", [], TCB),
    "a chain that is a number": ("certificates", {"TCB-Info-Issuer-Chain": 7}, TCB),
}


@pytest.mark.parametrize(("member", "value", "name"), FAULTS.values(), ids=FAULTS)
def test_a_malformed_part_is_unavailable(
    tmp_path: Path, bundle: dict[str, Any], member: str, value: Any, name: str
) -> None:
    """What is in the file is judged when it is asked for, or at start-up."""
    bundle["collaterals"][member] = value
    bundle["collaterals"].pop("rootcacrl_cdp")
    with pytest.raises(CollateralUnavailableError, match="malformed"):
        IntelBundle(written(tmp_path, bundle)).find(name)


@pytest.mark.parametrize(
    "name",
    ["intel/tdx/tcb/000000000000", "intel/pckcrl/root", "amd/milan/crl", "intel/sgx/tcb/x"],
)
def test_holds_nothing_else(tmp_path: Path, bundle: dict[str, Any], name: str) -> None:
    """Another source may have it."""
    assert IntelBundle(written(tmp_path, bundle)).find(name) is None


def test_an_empty_part_is_not_there() -> None:
    """The genuine file has no list and chain of the Processor CA."""
    genuine = IntelBundle(GENUINE)
    assert genuine.find("intel/pckcrl/processor") is None
    assert genuine.find("intel/sgx/tcb/00a06d080000") is None
    found = genuine.find("intel/tdx/tcb/00a06d080000")
    assert found is not None
    assert found.source == f"bundle:{GENUINE}"
    assert set(found.unverified_headers) == {"tcb-info-issuer-chain"}


def test_prefers_early_entries_where_told(tmp_path: Path, bundle: dict[str, Any]) -> None:
    """Early falls back to the plain entry; standard never looks at the early one."""
    (infos,) = bundle["collaterals"]["tcbinfos"]
    infos["tdx_tcbinfo_early"] = {"tcbInfo": "early"}
    bundle["collaterals"]["qeidentity_early"] = {"enclaveIdentity": "early"}
    path = written(tmp_path, bundle)
    for update, is_early in ((UpdateType.EARLY, True), (UpdateType.STANDARD, False)):
        for name in (TCB, "intel/sgx/qe-identity"):
            found = IntelBundle(path, update).find(name)
            assert found is not None
            assert (b"early" in found.unverified_body) is is_early
        assert IntelBundle(path, update).find("intel/tdx/qe-identity") is not None


def test_reads_the_file_again_when_it_was_changed(tmp_path: Path, bundle: dict[str, Any]) -> None:
    """An operator replaces the file, and the next evidence is judged by it."""
    path = written(tmp_path, bundle)
    source = IntelBundle(path)
    assert source.find(TCB) is not None
    bundle["collaterals"]["tcbinfos"] = []
    written(tmp_path, bundle)
    os.utime(path, ns=(0, 0))
    assert source.find(TCB) is None
    path.unlink()
    with pytest.raises(CollateralUnavailableError):
        source.find(TCB)


def test_evidence_verifies_against_a_bundle(tmp_path: Path, bundle: dict[str, Any]) -> None:
    """Signatures survive the way through a file that was formatted for people."""
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle, indent=2))
    source = BundleSource(IntelBundle(path), {})
    assert verify_td(machine().quote(REPORT_DATA), source=source)["tcb_status"] == "UpToDate"
