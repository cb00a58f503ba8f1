"""What is known to be weak in attestation services, tried on ours (wire.md 14.2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES

from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.tees import TEES

AppWith = Callable[..., Flask]


def reason(response: Any) -> tuple[int, str]:
    """Status and reason code."""
    return response.status_code, response.get_json()["code"]


def set_policy(client: FlaskClient, owner: dict[str, str], rules: str) -> Any:
    """Make these rules the default attestation policy."""
    text = f"package policy\nimport rego.v1\n{rules}\n".encode()
    body = {"policy_id": "default_cpu", "policy": b64url_encode(text)}
    return client.post("/policy", json=body, headers=owner)


@pytest.mark.parametrize("path", ["/policy", "/reference-value"])
def test_strangers_change_nothing(
    client: FlaskClient, row_counts: Callable[[], dict[str, int]], path: str
) -> None:
    """Whoever reached the port could replace policies and reference values (30)."""
    before = row_counts()
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
        assert client.post(path, json={}, headers=headers).status_code == 401
    assert row_counts() == before


def test_a_token_without_a_nonce_is_not_given(guest: RawGuest) -> None:
    """Evidence without a nonce got a token that looked like any other (31)."""
    response = guest.client.post("/attestation", json=guest.evaluation(None))
    assert reason(response) == (401, "nonce-missing")


def test_a_nonce_of_the_guests_own_vouches_for_nothing(guest: RawGuest) -> None:
    """Freshness is what the service can check, not what the guest says (31)."""
    for nonce in ("", "AAAA", b64_encode(bytes(32)), "x" * 60_000):
        response = guest.client.post("/attestation", json=guest.evaluation(nonce))
        assert response.status_code in {400, 401}, nonce
        assert response.get_json()["code"] in {
            "nonce-unknown",
            "nonce-missing",
            "malformed-request",
        }


@pytest.mark.parametrize("tee", sorted(TEES))
def test_every_known_tee_is_known_everywhere(app: Flask, tee: str) -> None:
    """Lists of TEEs that differ between interfaces made some unreachable (33)."""
    guest = RawGuest(app.test_client())
    for response in (
        guest.challenge(tee=tee),
        guest.client.post("/challenge", json={"tee": tee}),
    ):
        expected = (200,) if tee == "sample" else (400, "tee-unsupported")
        assert (reason(response) if response.status_code != 200 else (200,)) == expected


@pytest.mark.parametrize("policy_ids", [None, [], ["default"]])
def test_policy_ids_may_be_left_out(guest: RawGuest, policy_ids: list[str] | None) -> None:
    """What is documented as optional was required (33)."""
    evaluation = guest.evaluation(guest.as_nonce())
    evaluation["policy_ids"] = policy_ids
    if policy_ids is None:
        del evaluation["policy_ids"]
    assert guest.client.post("/attestation", json=evaluation).status_code == 200


@pytest.mark.parametrize("value", ["258", "-129", "1.5", '"2"', "true", "null", "[2]", "2e9"])
def test_a_policy_that_runs_wild_is_a_no_and_nothing_worse(
    guest: RawGuest, owner: dict[str, str], value: str
) -> None:
    """258 wrapped around to 2, which affirms; an unknown claim ended the service (34)."""
    wild = f'trust_claims := {{"hardware": {value}}} if input.sample.svn == "1"'
    calm = 'trust_claims := {"hardware": 2} if input.sample.svn != "1"'
    written = set_policy(guest.client, owner, f"{wild}\n{calm}")
    if written.status_code == 400:
        assert written.json["code"] == "malformed-policy"
        return
    assert reason(guest.passport()) == (403, "policy-failed")
    assert reason(guest.attest()) == (403, "policy-failed")
    assert guest.passport(svn="2").status_code == 200


def test_a_policy_with_an_unknown_claim_is_a_no(guest: RawGuest, owner: dict[str, str]) -> None:
    """What only shows with some evidence is refused with that evidence (34)."""
    rules = (
        'names := {"1": "sparkle", "2": "hardware"}\ntrust_claims := {names[input.sample.svn]: 2}\n'
    )
    assert set_policy(guest.client, owner, rules).status_code == 200
    assert reason(guest.passport()) == (403, "policy-failed")
    assert guest.passport(svn="2").status_code == 200


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 48, 64, 65, 1024, 2000])
def test_init_data_of_any_size_end_no_request_badly(guest: RawGuest, size: int) -> None:
    """A digest of another size than 32 bytes ended the request in a panic (35)."""
    evaluation = guest.evaluation(guest.as_nonce())
    request = evaluation["verification_requests"][0]
    request["init_data"] = {"init_data_digest": b64url_encode(bytes(size))}
    response = guest.client.post("/attestation", json=evaluation)
    assert response.status_code in {200, 400, 422}


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_init_data_of_every_algorithm_are_served(guest: RawGuest, algorithm: str) -> None:
    """The client chooses the algorithm, so none may be special (35)."""
    body = guest.attestation(guest.nonce())
    text = f'version = "0.1.0"\nalgorithm = "{algorithm}"\n[data]\n"a" = "b"\n'
    body["init-data"] = {"format": "toml", "body": text}
    assert guest.client.post("/kbs/v0/attest", json=body).status_code == 200


def test_the_sample_tee_is_off_unless_it_is_wanted(app_with: AppWith) -> None:
    """Evidence that anyone can forge could not be turned off (44)."""
    app = app_with(attestation={"verifiers": ["snp"], "insecure_allow_sample": False})
    guest = RawGuest(app.test_client())
    assert reason(guest.challenge()) == (400, "tee-unsupported")
    assert reason(guest.client.post("/challenge", json={"tee": "sample"})) == (
        400,
        "tee-unsupported",
    )
    nonce = guest.client.post("/challenge", json={"tee": "snp"}).text
    assert reason(guest.passport(nonce)) == (400, "tee-unsupported")


def test_a_restart_keeps_tokens_good(app_with: AppWith, owner: dict[str, str]) -> None:
    """Signing keys that lived in memory made every token worthless at a restart (48)."""
    first = app_with()
    guest = RawGuest(first.test_client())
    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    guest.client.post("/reference-value", json=message, headers=owner)
    guest.client.post(f"/kbs/v0/resource/{PATH}", data=SECRET, headers=owner)
    token = guest.passport().text
    restarted = RawGuest(app_with().test_client(), guest.private)
    assert restarted.open(restarted.resource(token=token).json) == SECRET


def test_a_token_fetches_nothing_unsealed(affirming: None, guest: RawGuest, app: Flask) -> None:
    """A bearer of a stolen token reads nothing that is not sealed to the TEE (49)."""
    token = guest.passport().text
    thief = RawGuest(app.test_client())
    answer = thief.resource(token=token)
    assert set(answer.json) == {"protected", "encrypted_key", "iv", "ciphertext", "tag"}
    assert SECRET not in answer.data
    for path in ("/api/v1/secrets", "/metrics", "/api/v1/decisions"):
        headers = {"Authorization": f"Bearer {token}"}
        assert thief.client.get(path, headers=headers).status_code == 401
