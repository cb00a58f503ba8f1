"""An Attestation Service for SNP that signs bundles, with AMD's documents in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask

from app.blueprints.deps import EXTENSION
from app.lab.amd_authority import SimulatedAMD

AMD = SimulatedAMD("Milan")
CRL = "amd/milan/crl"


def settings_of(folder: Path, offline: Path) -> dict[str, Any]:
    """A site that signs bundles, and imports its own; AMD's documents lie in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public, root = folder / "bundle.pem", folder / "bundle.pub", folder / "amd.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    root.write_bytes(AMD.root_pem)
    for name, body in (AMD.documents() | {CRL: AMD.crl()}).items():
        path = offline / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    collateral = {
        "sources": ["cache", f"offline:{offline}"],
        "bundle_key": str(private),
        "bundle_signer": "here",
        "bundle_signers": {"here": str(public)},
    }
    attestation = {
        "verifiers": ["sample", "snp"],
        "insecure_extra_roots": {"snp": str(root)},
    }
    return {"collateral": collateral, "attestation": attestation}


def keep(site: Flask) -> None:
    """Have a document kept, as verification does."""
    library = site.extensions[EXTENSION].collateral
    with site.app_context():
        library.store.put(library.sources.get(CRL))
