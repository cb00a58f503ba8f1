"""Collateral by REST: how it stands, bundles from site to site, and who may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collateral_site import CRL, keep, settings_of
from flask import Flask
from programs import Programs
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build
from app.named.checking import check_named
from app.trust.errors import ConfigError

PATH = "/api/v1/collateral"


@pytest.fixture
def site(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """An Attestation Service for SNP."""
    folder = tmp_path / "site"
    shutil.copytree(prepared[0], folder)
    access = [{"role": role, "methods": ["*"], "paths": ["/**"]} for role in ("owner", "viewer")]
    parts = settings_of(folder, tmp_path / "offline")
    app = build(make_settings(folder, admin={"access": access}, **parts))
    yield app
    app.extensions[EXTENSION].close()


@pytest.fixture
def programs(site: Flask, prepared: tuple[Path, AdminKey]) -> Programs:
    """They ask the site."""
    return Programs(site.test_client(), prepared[1])


def test_the_table_tells_how_everything_stands(programs: Programs, site: Flask) -> None:
    """What is needed comes from the folder or is missing; what is kept is listed."""
    table = programs.ask("ann", "GET", PATH).json
    needed = {each["name"]: each["state"] for each in table["needed"]}
    assert needed[CRL] == "fresh"
    assert needed["amd/genoa/crl"] == "missing"
    assert (table["documents"], table["counts"]["missing"]) == ([], 6)
    keep(site)
    table = programs.ask("ann", "GET", PATH).json
    assert [each["name"] for each in table["documents"]] == [CRL]
    assert table["expires_next"][0]["expires_at"].startswith("2035-01-01")
    assert programs.ask("ann", "GET", f"{PATH}?after={CRL}").json["documents"] == []


def test_a_bundle_goes_out_and_comes_in(programs: Programs, site: Flask) -> None:
    """Signed with the key that the settings name."""
    keep(site)
    exported = programs.ask("ann", "GET", f"{PATH}/bundle")
    assert (exported.status_code, exported.mimetype) == (200, "application/jose")
    imported = programs.ask("ann", "POST", f"{PATH}/bundle", data=exported.data)
    assert imported.status_code == 200, imported.text
    assert imported.json["signer"] == "here"
    audit = programs.ask("ann", "GET", "/api/v1/audit?limit=1").json
    assert audit[0]["entry"]["action"] == "collateral:bundle:import"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-bundle"),
        ("é".encode(), 400, "malformed-bundle"),
        (b"a.b.c", 400, "malformed-bundle"),
    ],
)
def test_what_is_no_bundle_is_refused(
    programs: Programs, body: bytes, status: int, code: str
) -> None:
    """With its reason, and nothing is kept."""
    answer = programs.ask("ann", "POST", f"{PATH}/bundle", data=body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert programs.ask("ann", "GET", PATH).json["documents"] == []


def test_a_changed_bundle_and_an_older_one_are_refused(programs: Programs, site: Flask) -> None:
    """By signature, and by the date of the one before."""
    keep(site)
    first = programs.ask("ann", "GET", f"{PATH}/bundle").data
    second = programs.ask("ann", "GET", f"{PATH}/bundle").data
    assert programs.ask("ann", "POST", f"{PATH}/bundle", data=second).status_code == 200
    older = programs.ask("ann", "POST", f"{PATH}/bundle", data=first)
    assert (older.status_code, older.json["code"]) == (409, "collateral-rollback")
    head, _, tail = second.decode().split(".")
    forged = programs.ask("ann", "POST", f"{PATH}/bundle", data=f"{head}.e30.{tail}")
    assert (forged.status_code, forged.json["code"]) == (422, "signature-invalid")


def test_vendors_are_not_asked_where_settings_name_none(programs: Programs) -> None:
    """It is told for each document."""
    answer = programs.ask("ann", "POST", f"{PATH}/refresh", body={"names": [CRL]})
    assert [each["code"] for each in answer.json] == ["collateral-unavailable"]
    tested = programs.ask("ann", "POST", f"{PATH}/test", body={"name": CRL}).json
    assert tested["code"] == "collateral-unavailable"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("refresh", {"names": "amd/milan/crl"}),
        ("refresh", {"names": [7]}),
        ("refresh", {"names": ["acme/x"]}),
        ("refresh", {"names": ["amd/milan/crl"] * 101}),
        ("refresh", []),
        ("test", {}),
        ("test", {"name": 7}),
        ("test", {"name": "../etc/passwd"}),
    ],
)
def test_bad_input_is_malformed(programs: Programs, path: str, body: Any) -> None:
    """Before any vendor is asked."""
    answer = programs.ask("ann", "POST", f"{PATH}/{path}", body=body)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed-request")


def test_a_viewer_looks_and_changes_nothing(programs: Programs) -> None:
    """Whoever may not manage collateral may not have vendors asked either."""
    assert programs.ask("ann", "GET", PATH, role="viewer").status_code == 200
    for path in ("refresh", "test", "bundle"):
        answer = programs.ask("ann", "POST", f"{PATH}/{path}", role="viewer", body={})
        assert answer.status_code == 403


def test_nobody_is_asked_where_settings_name_no_vendor(site: Flask) -> None:
    """And no document comes."""
    with site.app_context():
        assert site.extensions[EXTENSION].refresh_collateral() == 0


@pytest.mark.parametrize(
    "collateral",
    [
        {"bundle_signer": "x"},
        {"bundle_key": "/nowhere", "bundle_signer": "x"},
        {"bundle_signers": {"x": "/nowhere"}},
        {"mirrors": {"amd": ["http://elsewhere.example"]}},
        {"hygon_url": "ftp://x"},
    ],
)
def test_settings_that_cannot_be_are_faults(
    prepared: tuple[Path, AdminKey], collateral: dict[str, Any]
) -> None:
    """Found at the start, before anything is served."""
    settings = make_settings(prepared[0], collateral=collateral)
    with pytest.raises(ConfigError, match="collateral"):
        check_named(settings)
