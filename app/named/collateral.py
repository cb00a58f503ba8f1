"""Where vendors' documents are found, who judges them, and who signs bundles of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.bundle import BundleSigner, algorithm_of
from app.attestation.collateral.catalogue import VendorCatalogue
from app.attestation.collateral.hygon import HygonCatalogue
from app.attestation.collateral.ibm import IBMCatalogue
from app.attestation.collateral.intel import IntelCatalogue, UpdateType
from app.attestation.collateral.intel_bundle import IntelBundle
from app.attestation.collateral.judge import Judge
from app.attestation.collateral.nvidia import NVIDIACatalogue
from app.attestation.collateral.sources import CollateralPlan, CollateralSources, open_collateral
from app.attestation.collateral.vendor import SharedCollateral
from app.attestation.formats.amd_chain import AMD_ROOTS
from app.attestation.formats.dcap_certificates import INTEL_ROOTS, roots_with
from app.attestation.formats.snp_appraisal import SNPAppraiser
from app.named.faults import Faults, read_bytes, read_text
from app.named.verifiers import AMD_TEES, INTEL_TEES, lab_roots
from app.settings import (
    AttestationSettings,
    CollateralSettings,
    Settings,
)
from app.store.collateral import SQLCollateralStore, SQLFetchLeases
from app.store.database import Database
from app.trust.clock import Clock
from app.trust.errors import ConfigError
from app.trust.http_client import PooledHTTPClient


def open_sources(settings: Settings, database: Database, clock: Clock) -> CollateralSources:
    """Where vendors' documents are found.

    Raises:
        ConfigError: listing every source that cannot be.
    """
    wanted = settings.collateral
    faults = Faults()
    catalogues = faults.of(partial(_catalogues, wanted))
    mirrors = faults.of(partial(_mirrors, wanted))
    bundles = faults.of(partial(_bundles, wanted))
    judge = faults.of(partial(collateral_judge, settings.attestation))
    faults.raise_any()
    plan = CollateralPlan(
        sources=wanted.sources,
        catalogues=catalogues,
        mirrors=mirrors,
        bundles=bundles,
        refresh_before=timedelta(seconds=wanted.refresh_before_seconds),
        judge=judge,
    )
    client = PooledHTTPClient(timeout_seconds=wanted.timeout_seconds)
    shared = SharedCollateral(SQLCollateralStore(database), SQLFetchLeases(database))
    return open_collateral(plan, shared, client, clock)


def _catalogues(settings: CollateralSettings) -> tuple[VendorCatalogue, ...]:
    return (
        AMDCatalogue(settings.amd_url),
        IntelCatalogue(settings.intel_url, UpdateType(settings.intel_update)),
        HygonCatalogue(settings.hygon_url),
        IBMCatalogue(settings.ibm_url),
        NVIDIACatalogue(settings.nvidia_ocsp_url, settings.nvidia_rim_url),
    )


def _mirrors(settings: CollateralSettings) -> tuple[VendorCatalogue, ...]:
    update = UpdateType(settings.intel_update)
    makers: dict[str, Callable[[str], VendorCatalogue]] = {
        "amd": AMDCatalogue,
        "hygon": HygonCatalogue,
        "ibm": IBMCatalogue,
        "intel": lambda url: IntelCatalogue(url, update),
    }
    return tuple(makers[vendor](url) for vendor, urls in settings.mirrors.items() for url in urls)


def _bundles(settings: CollateralSettings) -> tuple[IntelBundle, ...]:
    if settings.intel_bundle is None:
        return ()
    return (IntelBundle(settings.intel_bundle, UpdateType(settings.intel_update)),)


def collateral_judge(settings: AttestationSettings) -> Judge:
    """Whose documents are kept: the vendors', and those of roots that settings add.

    Raises:
        ConfigError: a file of roots cannot be read, or holds none.
    """
    pins, roots = AMD_ROOTS, INTEL_ROOTS
    for tee, path in settings.insecure_extra_roots.items():
        pem = read_bytes(path, f"attestation.insecure_extra_roots.{tee}")
        if tee in AMD_TEES:
            pins = SNPAppraiser(pins).with_extra_roots(pem, tee).pins
        elif tee in INTEL_TEES:
            roots = roots_with(roots, pem, tee)
    if settings.insecure_trust_lab is not None:
        pins = SNPAppraiser(pins).with_extra_roots(lab_roots(settings, "snp"), "snp").pins
        roots = roots_with(roots, lab_roots(settings, "tdx"), "tdx")
    return Judge(pins, roots)


def standing_collateral(settings: Settings) -> tuple[str, ...]:
    """Names of documents that every verification of an enabled TEE may need."""
    if "as" not in settings.roles:
        return ()
    names = [
        name
        for catalogue in _catalogues(settings.collateral)
        for tee in settings.attestation.verifiers
        for name in catalogue.standing(tee)
    ]
    return tuple(dict.fromkeys(names))


def bundle_signer(settings: CollateralSettings) -> BundleSigner | None:
    """Who signs exported bundles.

    Raises:
        ConfigError: the key cannot be read, or it has no name.
    """
    if (settings.bundle_key is None) != (settings.bundle_signer is None):
        raise ConfigError(["collateral.bundle_key and collateral.bundle_signer go together"])
    if settings.bundle_key is None or settings.bundle_signer is None:
        return None
    key = _read_bundle_key(settings.bundle_key, "collateral.bundle_key")
    return BundleSigner(settings.bundle_signer, key)


def bundle_signers(settings: CollateralSettings) -> dict[str, Key]:
    """Whose bundles are imported, by name.

    Raises:
        ConfigError: listing every key that cannot be read.
    """
    faults = Faults()
    opened = {}
    for name, path in settings.bundle_signers.items():
        setting = f"collateral.bundle_signers.{name}"
        opened[name] = faults.of(partial(_read_bundle_key, path, setting))
    faults.raise_any()
    return opened


def _read_bundle_key(path: Path, setting: str) -> Key:
    return _bundle_key(read_text(path, setting), setting)


def _bundle_key(pem: str, setting: str) -> Key:
    try:
        key = OKPKey.import_key(pem) if _is_ed25519(pem) else ECKey.import_key(pem)
        algorithm_of(key)
    except (ValueError, JoseError, UnsupportedAlgorithm, TypeError) as error:
        message = f"{setting}: neither a key on P-256, P-384 or P-521 nor one of Ed25519"
        raise ConfigError([message]) from error
    return key


def _is_ed25519(pem: str) -> bool:
    if "PRIVATE KEY" in pem:
        key: object = load_pem_private_key(pem.encode(), password=None)
    else:
        key = load_pem_public_key(pem.encode())
    return isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey)
