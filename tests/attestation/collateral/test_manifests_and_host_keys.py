"""NVIDIA's manifests and IBM's host keys go the ways of collateral: services, caches, folders."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from fakes import NOON, FakeClock
from simulated.collateral import MemoryCollateralStore, MemoryLeases
from simulated.nvidia import NONCE, Report, SimulatedNVIDIA, evidence
from simulated.nvidia_manifests import DRIVER_NAME, FIRMWARE_NAME, ManifestSigner
from simulated.se import SimulatedZ, certificate, pem

from app.attestation.collateral.ibm import IBMCatalogue
from app.attestation.collateral.judge import Judge
from app.attestation.collateral.nvidia import NVIDIACatalogue
from app.attestation.collateral.sources import CollateralPlan, CollateralSources, open_collateral
from app.attestation.collateral.states import CollateralRules, ConsultedCollateral
from app.attestation.collateral.vendor import SharedCollateral
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.attestation.verifiers.se import SEVerifier
from app.lab.vendor_service import VendorService
from app.trust.errors import DomainError, UnknownPlatformError
from app.trust.http_client import PooledHTTPClient

SITE, SIGNER = SimulatedNVIDIA(), ManifestSigner()
ROOTS = SITE.root.pem + SIGNER.root.pem
REPORT = UnverifiedEvidence("nvidia", evidence(Report().signed_by(SITE.device), SITE.chain()))
MACHINE = "8561-000201c048"


def opened(catalogue: Any, store: MemoryCollateralStore, *places: str) -> CollateralSources:
    """These places, judged as a server judges what they answer."""
    plan = CollateralPlan(sources=places, catalogues=(catalogue,), judge=Judge())
    shared = SharedCollateral(store, MemoryLeases())
    return open_collateral(plan, shared, PooledHTTPClient(timeout_seconds=5.0), FakeClock())


def compared(source: CollateralSources) -> set[str]:
    """Which manifests a device was compared with, by a verifier that has seen nothing."""
    verifier = NVIDIAVerifier().with_extra_roots(ROOTS)
    consulted = ConsultedCollateral(source, CollateralRules(), NOON)
    options = {"revocation": "if-available"}
    context = Context(NOON, consulted, options)
    (claims,) = verifier.verify(REPORT, Binding(NONCE), context)
    found: Any = claims.values.get("manifests", {})
    return set(found)


def test_manifests_are_fetched_kept_and_shared() -> None:
    """One process fetches them from NVIDIA's service; the next has them from the cache."""
    store = MemoryCollateralStore()
    service = VendorService({name: (body, {}) for name, body in SIGNER.documents().items()})
    with service.serving(lambda address: NVIDIACatalogue(address, address)) as catalogue:
        fetching = opened(catalogue, store, "cache", "vendor")
        assert compared(fetching) == {"driver", "vbios"}
    assert {DRIVER_NAME, FIRMWARE_NAME} <= set(service.asked)
    assert sorted(store.documents) == [DRIVER_NAME, FIRMWARE_NAME]
    cached = opened(NVIDIACatalogue(), store, "cache")
    assert compared(cached) == {"driver", "vbios"}


def test_a_manifest_that_nvidia_does_not_have_is_told() -> None:
    """By NVIDIA itself: nobody knows such a driver."""
    service = VendorService({})
    with service.serving(lambda address: NVIDIACatalogue(address, address)) as catalogue:
        source = opened(catalogue, MemoryCollateralStore(), "vendor")
        with pytest.raises(UnknownPlatformError):
            compared(source)


def test_manifests_lie_in_a_folder(tmp_path: Path) -> None:
    """For sites without a network, by their names."""
    for name, body in SIGNER.documents().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    place = f"offline:{tmp_path}"
    source = opened(NVIDIACatalogue(), MemoryCollateralStore(), place)
    assert compared(source) == {"driver", "vbios"}


def test_host_keys_lie_in_a_folder_as_ibm_calls_them(tmp_path: Path) -> None:
    """Beside what vouches for them; without one of them nobody is challenged."""
    (tmp_path / "operator").mkdir()
    folder = tmp_path / "collateral"
    folder.mkdir()
    machine = SimulatedZ(tmp_path / "operator")
    signer = certificate("Key Signing", machine.signing_key, "Root", machine.root_key)
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.subject)
        .last_update(NOON - timedelta(days=1))
        .next_update(NOON + timedelta(days=1))
        .sign(machine.signing_key, SHA512())
    )
    files = {
        "HKD-8561-000201C048.crt": pem(machine.document),
        "ibm-z-host-key-signing-gen2.crt": pem(signer),
        "DigiCertCA.crt": pem(machine.root),
        "ibm-z-host-key-gen2.crl": listed.public_bytes(Encoding.PEM),
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    place = f"offline:{folder}"
    source = opened(IBMCatalogue(), MemoryCollateralStore(), place)
    options = machine.options(machines=[MACHINE])
    assert SEVerifier().challenge("", Context(NOON, source, options))
    for name in files:
        (folder / name).rename(folder / "away")
        again = opened(IBMCatalogue(), MemoryCollateralStore(), place)
        with pytest.raises(DomainError) as refusal:
            SEVerifier().challenge("", Context(NOON, again, options))
        assert refusal.value.code == "collateral-unavailable"
        (folder / "away").rename(folder / name)
