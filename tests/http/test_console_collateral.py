"""Collateral in the browser: how it stands, asking vendors, bundles."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from collateral_site import CRL, keep, settings_of
from console_client import Console
from flask import Flask
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.console.permissions import Role
from app.factory import build


@pytest.fixture
def site(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """An Attestation Service for SNP with a console."""
    folder = tmp_path / "site"
    shutil.copytree(prepared[0], folder)
    app = build(make_settings(folder, **settings_of(folder, tmp_path / "offline")))
    yield app
    app.extensions[EXTENSION].close()


def browser(site: Flask, role: Role = Role.OPERATOR) -> Console:
    """A signed-in operator."""
    return Console.of(site, site.extensions[EXTENSION], role)


def test_the_page_tells_states_in_words(site: Flask) -> None:
    """What is there, and what is missing before a guest needs it."""
    keep(site)
    page = browser(site).get("/collateral").text
    assert CRL in page
    assert "amd/turin/crl" in page
    assert "missing" in page
    assert "No vendor is asked here" in page


def test_a_viewer_is_offered_no_change(site: Flask) -> None:
    """Nor is a change carried out."""
    viewer = browser(site, Role.VIEWER)
    page = viewer.get("/collateral").text
    assert "Import a bundle" not in page
    assert "Test" not in page
    for path in ("refresh", "test", "import"):
        assert viewer.post(f"/collateral/{path}", name=CRL).status_code == 403


def test_asking_a_vendor_tells_the_outcome(site: Flask) -> None:
    """Here nobody may be asked, which is told for the document."""
    operator = browser(site)
    for path in ("refresh", "test"):
        page = operator.post(f"/collateral/{path}", name=CRL)
        assert page.status_code == 200
        assert "collateral-unavailable" in page.text
    assert operator.post("/collateral/test", name="acme/x").status_code == 400


def test_a_bundle_goes_out_and_comes_in(site: Flask) -> None:
    """As a file, which tells its name; a broken one comes back with its reason."""
    keep(site)
    operator = browser(site)
    exported = operator.get("/collateral/bundle")
    assert "attachment; filename=collateral-" in exported.headers["Content-Disposition"]
    done = operator.post("/collateral/import", file=(io.BytesIO(exported.data), "a.jws"))
    assert done.status_code == 303
    assert "1 documents kept" in operator.get("/collateral").text
    refused = operator.post("/collateral/import", file=(io.BytesIO(b"x"), "a.jws"))
    assert refused.status_code == 400
    assert "malformed-bundle" in refused.text
    assert operator.post("/collateral/import").status_code == 200


def test_the_overview_tells_what_expires_next(site: Flask) -> None:
    """Collateral beside everything else that does."""
    keep(site)
    assert CRL in browser(site).get("/").text
