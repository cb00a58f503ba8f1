"""A KBS whose handshakes are appraised by an Attestation Service elsewhere, by REST."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from live import Live
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES, AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.broker.secrets import ResourceID
from app.factory import build
from app.trust.audit import Actor
from app.wiring import prepare
from guest.wire.encoding import b64_encode

ACTOR = Actor("tests", "owner")


def application(folder: Path, **parts: Any) -> Flask:
    """An application in a folder of its own."""
    folder.mkdir()
    AdminKey.make(folder)
    settings = make_settings(folder, **parts)
    prepare(settings)
    return build(settings)


@pytest.fixture
def attestation_service(tmp_path: Path) -> Iterator[Live]:
    """An AS that listens, and knows the sample TEE's reference values."""
    live = Live()
    app = live.app = application(tmp_path / "as", roles=["as"], attestation={"issuer": live.url})
    services = app.extensions[EXTENSION]
    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    with app.app_context():
        services.reference_values.register(message, ACTOR)
    with closing(services), live:
        yield live


@pytest.fixture
def broker(tmp_path: Path, attestation_service: Live) -> Iterator[Callable[..., Flask]]:
    """Builds a KBS that asks that AS, and trusts whom it is told to trust."""
    built: list[Flask] = []

    def build_broker(issuer: str = attestation_service.url) -> Flask:
        url = attestation_service.url
        trusted = {"name": "as", "issuer": issuer, "jwks_url": f"{url}/.well-known/jwks.json"}
        app = application(
            tmp_path / "kbs",
            roles=["kbs"],
            attestation={"verifiers": [], "insecure_allow_sample": False},
            broker={"issuers": [trusted], "remote_appraiser": {"url": url, "timeout_seconds": 5}},
        )
        built.append(app)
        with app.app_context():
            custody = app.extensions[EXTENSION].custody
            custody.write(ResourceID.of(PATH.split("/")), SECRET, ACTOR)
        return app

    yield build_broker
    for app in built:
        app.extensions[EXTENSION].close()


@pytest.fixture
def guest(broker: Callable[..., Flask]) -> RawGuest:
    """A guest of the KBS."""
    return RawGuest(broker().test_client())


def unavailable(response: Any) -> None:
    """An outage: tried again later, not answered by a fresh attestation."""
    assert response.status_code == 503, response.data
    assert response.json["code"] == "appraiser-unavailable"
    assert int(response.headers["Retry-After"]) > 0


def test_an_outage_is_503_and_never_401(guest: RawGuest, attestation_service: Live) -> None:
    """Before the challenge and before the token alike; afterwards the same nonce still serves."""
    nonce = guest.nonce()
    attestation_service.stop()
    unavailable(guest.attest(nonce))
    other = RawGuest(guest.client.application.test_client())
    unavailable(other.challenge())
    attestation_service.start()
    assert guest.attest(nonce).status_code == 200
    assert guest.open(guest.resource().json) == SECRET
    assert other.attest().status_code == 200


def test_a_service_that_stays_away_is_left_alone(
    guest: RawGuest, attestation_service: Live
) -> None:
    """After some failures the KBS answers at once, and says when it will ask again."""
    attestation_service.stop()
    for _ in range(6):
        answer = guest.challenge()
        unavailable(answer)
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    attestation_service.start()
    unavailable(guest.challenge())


def test_a_service_that_is_not_trusted_is_an_outage_too(broker: Callable[..., Flask]) -> None:
    """A token that the KBS does not believe is no fault of the guest's."""
    unavailable(RawGuest(broker(issuer="https://elsewhere.example").test_client()).attest())


@pytest.mark.parametrize(
    ("evidence", "code"),
    [({"report_data": ""}, "binding-mismatch"), ({"report_data": 7}, "malformed-evidence")],
)
def test_its_refusals_are_ours(guest: RawGuest, evidence: dict[str, Any], code: str) -> None:
    """The guest hears the reason, and the KBS has a record of it."""
    response = guest.attest(**evidence)
    assert response.status_code == (400 if code.startswith("malformed") else 401)
    assert response.json["code"] == code
    assert response.headers["Vouchgate-Decision"]


def test_a_tee_that_it_does_not_know_is_refused(guest: RawGuest) -> None:
    """The AS knows which TEEs it verifies."""
    response = guest.challenge(tee="sgx")
    assert (response.status_code, response.json["code"]) == (400, "tee-unsupported")


def test_the_handshake_is_the_same(guest: RawGuest) -> None:
    """Challenge, token and secret; a stock guest sees no difference."""
    nonce = guest.nonce()
    first = guest.attest(nonce)
    assert first.status_code == 200
    assert guest.open(guest.resource().json) == SECRET
    assert guest.attest(nonce).json == first.json


def test_the_token_of_the_handshake_is_a_passport(
    guest: RawGuest, attestation_service: Live
) -> None:
    """With the session gone, the token alone opens the KBS, even while the AS is away."""
    token = guest.attest().json["token"]
    assert guest.resource(token=token).status_code == 200
    attestation_service.stop()
    elsewhere = RawGuest(guest.client.application.test_client(), guest.private)
    assert elsewhere.open(elsewhere.resource(token=token).json) == SECRET
