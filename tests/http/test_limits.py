"""Floods are slowed down, and what is counted names nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, RawGuest
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build
from app.trust.errors import ConfigError
from app.wiring import prepare

BAD_SIGN_IN = {"name": "ann", "password": "wrong"}


@pytest.fixture
def limited(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """An application in which every address may ask three times an hour."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    app = build(make_settings(tmp_path, limits={"handshake": "3/hour", "sign_in": "3/hour"}))
    app.config["WTF_CSRF_ENABLED"] = False
    yield app
    app.extensions[EXTENSION].close()


def slowed_down(response: Any) -> None:
    """429, with the reason and when to come back."""
    assert response.status_code == 429
    assert response.headers["Vouchgate-Reason"] == "too-many-requests"
    assert 1 <= int(response.headers["Retry-After"]) <= 3600


def test_a_flood_of_challenges_is_slowed_down(limited: Flask) -> None:
    """Challenges and attestations of both models count together (wire.md 14.1, 5)."""
    guest = RawGuest(limited.test_client())
    assert guest.challenge().status_code == 200
    assert guest.client.post("/challenge", json={"tee": "sample"}).status_code == 200
    assert guest.client.post("/attestation", json={}).status_code == 400
    slowed_down(guest.challenge())
    slowed_down(guest.client.post("/kbs/v0/attest", json={}))
    slowed_down(guest.client.post("/challenge", json={"tee": "sample"}))
    slowed_down(guest.client.post("/attestation", json={}))


def test_guessing_passwords_is_slowed_down(limited: Flask) -> None:
    """After a few attempts not even the right password would be looked at; the form still shows."""
    client = limited.test_client()
    statuses = [client.post("/console/sign-in", data=BAD_SIGN_IN).status_code for _ in range(3)]
    assert statuses == [401, 401, 401]
    slowed_down(client.post("/console/sign-in", data=BAD_SIGN_IN))
    assert client.get("/console/sign-in").status_code == 200


def test_each_address_has_its_own_share(limited: Flask) -> None:
    """Who floods slows down itself, and what it says of itself changes nothing."""
    flooding = RawGuest(limited.test_client())
    for _ in range(4):
        last = flooding.challenge()
    slowed_down(last)
    flooding.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.7"
    slowed_down(flooding.challenge())
    other = RawGuest(limited.test_client())
    other.client.environ_base["REMOTE_ADDR"] = "192.0.2.8"
    assert other.challenge().status_code == 200


def test_a_trusted_proxy_says_who_asks(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> None:
    """Behind one, addresses and TLS are those that it tells; only the last entry is its own."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    settings = make_settings(
        tmp_path, server={"trusted_proxies": 1}, limits={"handshake": "3/hour"}
    )
    app = build(settings)
    flooding = RawGuest(app.test_client())
    flooding.client.environ_base["HTTP_X_FORWARDED_PROTO"] = "https"
    for number in range(4):
        said = f"198.51.100.{number}, 192.0.2.7"
        flooding.client.environ_base["HTTP_X_FORWARDED_FOR"] = said
        last = flooding.challenge()
    slowed_down(last)
    flooding.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.8"
    assert "Secure" in flooding.challenge().headers["Set-Cookie"]
    app.extensions[EXTENSION].close()


def test_resources_are_not_limited(limited: Flask) -> None:
    """A guest reads as many secrets as it may have."""
    guest = RawGuest(limited.test_client())
    assert {guest.resource().status_code for _ in range(10)} == {401}


@pytest.mark.parametrize(
    "notation",
    ["", "many", "5", "5/fortnight", "-1/minute", "0/hour", "1/0 minutes", "1/hour;2/day"],
)
@pytest.mark.parametrize("setting", ["handshake", "sign_in"])
def test_a_notation_that_says_nothing_is_a_fault(
    tmp_path: Path, setting: str, notation: str
) -> None:
    """It is listed with the others, and names the setting."""
    AdminKey.make(tmp_path)
    settings = make_settings(
        tmp_path, limits={setting: notation}, attestation={"verifiers": ["toaster"]}
    )
    with pytest.raises(ConfigError) as caught:
        prepare(settings)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        f"limits.{setting}",
        "attestation.verifiers",
    ]


def test_an_unknown_decision_is_404(client: FlaskClient, owner: dict[str, str]) -> None:
    """Reading and replaying both say so."""
    for method, path in (("GET", ""), ("POST", "/replay")):
        response = client.open(f"/api/v1/decisions/{'0' * 32}{path}", method=method, headers=owner)
        assert response.status_code == 404
        assert response.headers["Vouchgate-Reason"] == "decision-not-found"


def test_metrics_have_no_label_that_callers_choose(
    affirming: None, guest: RawGuest, owner: dict[str, str]
) -> None:
    """What is counted is there, and no path of a secret (wire.md 14.1, 14 and 15)."""
    guest.attest()
    guest.resource()
    text = guest.client.get("/metrics", headers=owner).text
    sizes = [line for line in text.splitlines() if "kbs_http_response_size_bytes_count" in line]
    assert float(sizes[0].split()[-1]) > 0
    assert 'kbs_attestation_successes_total{tee_type="sample"}' in text
    assert "kbs_resource_reads_total " in text
    assert PATH not in text
