"""The CCA attester, over an emulated kernel, to the claims of the verifier."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from emulated_tsm import EmulatedTSM
from fakes import NOON
from paths import VECTORS
from simulated.cca import SimulatedCCA
from simulated.collateral import MemoryCollateral

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.cca import VERIFIER
from app.trust.errors import BindingMismatchError
from guest.attester import Devices
from guest.attesters.cca import ATTESTER
from guest.errors import DeviceError, NoTEEError

CCA = VECTORS / "cca"
SITE = SimulatedCCA()
REPORT_DATA = hashlib.sha384(b"nonce and key").digest()


def machine(folder: Path, make: Any, provider: str = "arm_cca_guest") -> Devices:
    """A realm."""
    return Devices(bare_paths(folder / "none", tsm_report=folder), EmulatedTSM(provider, make))


def verify(evidence: Any, report_data: bytes, options: dict[str, str]) -> dict[str, Any]:
    """Claims of a local verifier."""
    (claims,) = VERIFIER.verify(
        UnverifiedEvidence("cca", evidence),
        Binding(report_data),
        Context(NOON, MemoryCollateral({}), options),
    )
    return claims.values


def test_refuses_another_provider_and_nothing(tmp_path: Path) -> None:
    """A TDX guest makes no tokens, and an empty one is none."""
    with pytest.raises(NoTEEError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, bytes, "tdx_guest"))
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, lambda _: b""))
    assert not ATTESTER.is_present(machine(tmp_path, bytes, "tdx_guest"))


def test_the_verifier_accepts_the_evidence(tmp_path: Path) -> None:
    """A token of a simulated platform, over 64 bytes."""
    devices = machine(tmp_path, lambda challenge: SITE.token(realm=SITE.realm(challenge)))
    assert ATTESTER.is_present(devices)
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    options = SITE.write_files(tmp_path)
    claims = verify(evidence, REPORT_DATA, options)
    assert claims["report_data"] == REPORT_DATA.ljust(64, b"\0").hex()
    with pytest.raises(BindingMismatchError):
        verify(evidence, REPORT_DATA[::-1], options)


def test_a_published_token_gives_its_claims(tmp_path: Path) -> None:
    """Byte for byte from the kernel to the verifier."""
    token = (CCA / "cca-example-token.cbor").read_bytes()
    expected = json.loads((CCA / "cca-example-token.claims.json").read_text())
    evidence = ATTESTER.collect(REPORT_DATA, machine(tmp_path, lambda _: token))
    assert evidence == {"token": [*token]}
    options = {
        "trust_anchors_file": str(CCA / "tastore.json"),
        "reference_values_file": str(CCA / "rvstore.json"),
    }
    assert verify(evidence, bytes.fromhex(expected["report_data"]), options) == expected
