"""The overview as a page: what guests did, what expires, for whoever may read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from minting import Mint
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role


def test_the_page_counts_what_guests_did(console: Callable[..., Console], app: Flask) -> None:
    """A refused guest shows in the figures, with its reason and a way to the records."""
    guest = RawGuest(app.test_client())
    guest.attest()
    guest.resource()
    page = console(Role.VIEWER).get("/").text
    assert "reason=policy-denied" in page
    assert page.count('<svg class="chart"') == 2
    assert "style=" not in page


@pytest.mark.parametrize("query", ["window=day", "window=week", "window=month", "tee=snp"])
def test_the_page_looks_further_back(console: Callable[..., Console], query: str) -> None:
    """Every window and TEE is a page, also without decisions."""
    assert console(Role.VIEWER).get(f"/?{query}").status_code == 200


def test_a_window_that_is_none_is_refused(console: Callable[..., Console]) -> None:
    """With the names that are."""
    page = console(Role.VIEWER).get("/?window=year")
    assert page.status_code == 400
    assert "day, week or month" in page.text


def test_what_expires_is_shown_to_those_who_may_read_it(
    affirming: None, console: Callable[..., Console], services: Services
) -> None:
    """A viewer reads reference values and no signing keys."""
    key_id = services.token_keys.list()[0].key_id[:12]
    viewer, operator = (console(role).get("/").text for role in (Role.VIEWER, Role.OPERATOR))
    assert "minimum_minor_version" in viewer
    assert key_id not in viewer
    assert key_id in operator


def test_the_page_says_how_the_server_is(console: Callable[..., Console]) -> None:
    """Each part in a word, and the insecure settings by name."""
    page = console(Role.VIEWER).get("/").text
    assert page.count('<span class="outcome good">works</span>') == 3
    assert "attestation.insecure_allow_sample" in page


def test_issuers_that_were_added_count(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console]
) -> None:
    """As long as they are believed."""
    viewer = console(Role.VIEWER)
    body = {
        "name": "elsewhere",
        "issuer": "https://elsewhere.example",
        "key_set": {"keys": [Mint().jwk()]},
    }
    assert "takes tokens of builtin<" in viewer.get("/").text.replace("\n", "")
    assert client.post("/api/v1/issuers", json=body, headers=owner).status_code == 200
    assert "takes tokens of builtin, elsewhere" in viewer.get("/").text
    client.post("/api/v1/issuers/elsewhere/disable", headers=owner)
    assert "takes tokens of builtin, elsewhere" not in viewer.get("/").text


def test_programs_read_the_same(
    client: FlaskClient, owner: dict[str, str], affirming: None, guest: RawGuest
) -> None:
    """Counts by outcome and reason, and how the server is; a window that is none is refused."""
    guest.attest()
    guest.resource()
    guest.resource("default/demo/other")
    found = client.get("/api/v1/overview?window=week", headers=owner).json
    assert found["attestations"] == {"affirming": 1}
    assert found["releases"] == {"allowed": 1, "denied": 1}
    assert found["denials"] == {"resource-not-found": 1}
    assert found["health"]["broker"] == "works"
    assert client.get("/api/v1/overview?tee=tdx", headers=owner).json["attestations"] == {}
    assert client.get("/api/v1/overview?window=year", headers=owner).status_code == 400
