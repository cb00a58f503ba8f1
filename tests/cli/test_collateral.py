"""Collateral from the terminal: how it stands, and bundles that carry it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_site import Site
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.attestation.collateral.amd import AMDCatalogue
from app.lab.amd_authority import SimulatedAMD
from app.lab.vendor_service import VendorService

AMD = SimulatedAMD("Milan")
CRL, CHAIN = "amd/milan/crl", "amd/milan/cert_chain"


@pytest.fixture
def parts(site: Site) -> dict[str, Any]:
    """Settings of a site for SNP that asks a vendor on loopback, which is not there."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "collateral": {
            "sources": ["cache", "vendor"],
            "amd_url": "http://127.0.0.1:9",
            "timeout_seconds": 0.5,
            "bundle_key": site.file("bundle.pem", private),
            "bundle_signer": "here",
            "bundle_signers": {"here": site.file("bundle.pub", public)},
        },
        "attestation": {
            "verifiers": ["snp"],
            "insecure_extra_roots": {"snp": site.file("amd.pem", AMD.root_pem)},
        },
    }


@pytest.fixture
def served(parts: dict[str, Any]) -> Any:
    """The same with the vendor."""
    service = VendorService({name: (body, {}) for name, body in AMD.documents().items()})
    service.documents[CRL] = (AMD.crl(), {})
    with service.serving(AMDCatalogue) as catalogue:
        yield parts | {"collateral": parts["collateral"] | {"amd_url": catalogue.origins[0]}}


def test_a_test_tells_how_it_went_and_keeps_nothing(
    site: Site, parts: dict[str, Any], served: dict[str, Any]
) -> None:
    """With the vendor, and without: then the exit status is 1."""
    assert f"fetched\t{CRL}" in site.does("collateral", "test", CRL, **served)
    assert f"missing\t-\t-\t{CRL}" in site.does("collateral", "list", **served)
    unreachable = site.run("collateral", "test", CRL, **parts)
    assert unreachable.exit_code == 1
    assert CRL in unreachable.stdout


def test_a_refresh_fetches_and_the_list_tells(site: Site, served: dict[str, Any]) -> None:
    """What is needed first, missing ones too; then by name."""
    assert f"missing\t-\t-\t{CRL}" in site.does("collateral", "list", **served)
    fetched = site.does("collateral", "refresh", CRL, CHAIN, **served)
    assert [line.split("\t")[:2] for line in fetched.splitlines()] == [
        ["fetched", CRL],
        ["fetched", CHAIN],
    ]
    listed = site.does("collateral", "list", **served).splitlines()
    (line,) = [each for each in listed if CRL in each]
    assert line.startswith("fresh\t2035-01-01T00:00Z\t")
    expiring = site.does("collateral", "list", "--expiring", **served)
    assert [each.split("\t")[3] for each in expiring.splitlines()] == [CHAIN, CRL]


def test_a_vendor_that_does_not_answer_is_told(site: Site, parts: dict[str, Any]) -> None:
    """With the status of a failure, after everything was tried."""
    result = site.run("collateral", "refresh", CRL, **parts)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"collateral-unavailable\t{CRL}\t")


def test_a_bundle_goes_from_site_to_site(
    site: Site, served: dict[str, Any], tmp_path: Path
) -> None:
    """A site without vendors keeps what the bundle brings."""
    site.does("collateral", "refresh", CRL, **served)
    bundle = tmp_path / "bundle.jws"
    site.does("collateral", "export", str(bundle), **served)
    alone = served | {"collateral": served["collateral"] | {"sources": ["cache"]}}
    said = site.does("collateral", "import", str(bundle), **alone)
    assert "bundle of here" in said
    assert "kept: 1; not newer than what was here: 0" in said


def test_a_bundle_of_nobody_is_refused(site: Site, served: dict[str, Any], tmp_path: Path) -> None:
    """The reason code is on standard error."""
    site.does("collateral", "refresh", CRL, **served)
    bundle = tmp_path / "bundle.jws"
    site.does("collateral", "export", str(bundle), CRL, **served)
    nobody = served | {"collateral": served["collateral"] | {"bundle_signers": {}}}
    assert "signer-untrusted" in site.refuses("collateral", "import", str(bundle), **nobody)
    bundle.write_text("nothing")
    assert "malformed-bundle" in site.refuses("collateral", "import", str(bundle), **served)
    assert "malformed-request" in site.refuses("collateral", "refresh", "acme/x", **served)
    keyless = {"bundle_key": None, "bundle_signer": None}
    unsigned = {k: v for k, v in served["collateral"].items() if k not in keyless}
    said = site.refuses("collateral", "export", "-", **served | {"collateral": unsigned})
    assert "unsupported" in said
