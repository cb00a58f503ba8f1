"""The TPM attester, from a software TPM to the claims of the verifier."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from fakes import NOON
from simulated.collateral import MemoryCollateral
from software_tpm import AZURE_AK_HANDLE, SoftwareTPM

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.tpm import VERIFIER
from app.trust.errors import UnverifiedError
from guest.aa.attestation_key import read_attestation_key
from guest.aa.init_data import bind_init_data_digest
from guest.attester import Devices
from guest.attesters.tpm import ATTESTER
from guest.errors import DeviceError, InitDataMismatchError, NoTEEError

REPORT_DATA = hashlib.sha384(b"nonce and key").digest()
INIT_DATA = hashlib.sha256(b"init data").digest()


@pytest.fixture
def devices(tpm: SoftwareTPM, tmp_path: Path) -> Devices:
    """A machine with a TPM and nothing else."""
    return Devices(bare_paths(tmp_path / "none", tpm=tpm.path))


def verify(evidence: Any, devices: Devices, report_data: bytes, **options: Any) -> dict[str, Any]:
    """Claims of evidence by a verifier that has enrolled this TPM's key."""
    enrolled = {"trusted_aks": [read_attestation_key(devices, make=False).fingerprint]}
    (claims,) = VERIFIER.verify(
        UnverifiedEvidence("tpm", evidence),
        Binding(report_data, options.get("init_data")),
        Context(NOON, MemoryCollateral({}), enrolled),
    )
    return claims.values


def test_a_machine_without_a_tpm_makes_no_evidence(tmp_path: Path) -> None:
    """Nor is it found."""
    nothing = Devices(bare_paths(tmp_path / "none"))
    assert not ATTESTER.is_present(nothing)
    with pytest.raises(NoTEEError):
        ATTESTER.collect(REPORT_DATA, nothing)


def test_a_tpm_without_a_key_makes_no_evidence(tpm: SoftwareTPM, tmp_path: Path) -> None:
    """The handle is in the message of the settings; what is missing is said."""
    other = Devices(bare_paths(tmp_path / "none", tpm=tpm.path), ak_handle=0x81010055)
    with pytest.raises(DeviceError, match="no such handle"):
        ATTESTER.collect(REPORT_DATA, other)


def test_evidence_is_for_one_nonce(devices: Devices) -> None:
    """Another expected value is refused, also one that differs in the last of 32 bytes."""
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    for other in (REPORT_DATA[:31] + b"\0", b"", REPORT_DATA[::-1]):
        with pytest.raises(UnverifiedError):
            verify(evidence, devices, other)


def test_evidence_of_another_key_is_refused(devices: Devices) -> None:
    """The TPM has two keys, and one of them is enrolled."""
    other = Devices(devices.paths, ak_handle=AZURE_AK_HANDLE)
    evidence = ATTESTER.collect(REPORT_DATA, other)
    # The same template makes the same key; a key of another TPM it is not.
    assert evidence["ak_public"] == ATTESTER.collect(REPORT_DATA, devices)["ak_public"]
    evidence["ak_public"] = evidence["ak_public"][:100] + "AAAA" + evidence["ak_public"][104:]
    with pytest.raises(UnverifiedError):
        verify(evidence, devices, REPORT_DATA)


def test_the_verifier_accepts_the_evidence(devices: Devices, caplog: Any) -> None:
    """24 registers, 32 bytes of the report data, the enrolled key; a warning what it is not."""
    assert ATTESTER.is_present(devices)
    assert "nothing protects" in caplog.text
    claims = verify(ATTESTER.collect(REPORT_DATA, devices), devices, REPORT_DATA)
    assert claims["report_data"] == REPORT_DATA[:32].hex()
    assert len([name for name in claims if name.startswith("pcr")]) == 24
    assert "ak_trusted" not in claims


def test_init_data_is_bound_once(devices: Devices) -> None:
    """A guest that starts again does not extend PCR 8 again, and other init data is refused."""
    with pytest.raises(InitDataMismatchError, match="SHA-256"):
        bind_init_data_digest(bytes(48), ATTESTER, devices)
    for _ in range(2):
        assert bind_init_data_digest(INIT_DATA, ATTESTER, devices)
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    claims = verify(evidence, devices, REPORT_DATA, init_data=INIT_DATA)
    assert claims["init_data"] == hashlib.sha256(bytes(32) + INIT_DATA).hexdigest()
    with pytest.raises(InitDataMismatchError, match="PCR 8"):
        bind_init_data_digest(INIT_DATA[::-1], ATTESTER, devices)
    with pytest.raises(UnverifiedError):
        verify(evidence, devices, REPORT_DATA, init_data=INIT_DATA[::-1])
