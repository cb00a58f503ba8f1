"""What is known to be weak in key brokers of this protocol, tried on ours (wire.md 14.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, SECRET, RawGuest, attestation_body
from servers import AdminKey

from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.jwe import open_sealed

AppWith = Callable[..., Flask]

SECRETS = f"/kbs/v0/resource/{PATH}"
# A custodian of one repository, who may write there and nothing else.
CUSTODIAN = {"role": "secret-custodian", "methods": ["POST"], "paths": ["/kbs/v0/resource/team/**"]}


def reason(response: Any) -> tuple[int, str]:
    """Status and reason code."""
    return response.status_code, response.get_json()["code"]


def rsa_key(bits: int, algorithm: str) -> tuple[rsa.RSAPrivateKey, dict[str, str]]:
    """An RSA key of a TEE, and its public half as a JWK."""
    private = rsa.generate_private_key(65537, bits)
    modulus = private.public_key().public_numbers().n
    n = b64url_encode(modulus.to_bytes(bits // 8, "big"))
    return private, {"kty": "RSA", "alg": algorithm, "n": n, "e": "AQAB"}


def attest_with(client: FlaskClient, key: dict[str, str]) -> Any:
    """A handshake with this TEE key."""
    return client.post("/kbs/v0/attest", json=attestation_body(RawGuest(client).nonce(), key))


def test_each_cause_has_its_status(
    affirming: None, guest: RawGuest, client: FlaskClient, owner: dict[str, str]
) -> None:
    """One status for everything makes guests attest again over a typing error (2)."""
    assert reason(guest.resource()) == (401, "token-missing")
    guest.attest(svn="0")
    assert reason(guest.resource()) == (403, "policy-denied")
    guest.attest()
    assert reason(guest.resource("a/b")) == (400, "malformed-resource-path")
    assert reason(guest.resource("a/b/c")) == (404, "resource-not-found")
    assert reason(client.get("/kbs/v0/nebula-ca/credential")) == (404, "plugin-not-found")
    assert reason(client.post(SECRETS)) == (401, "admin-unauthenticated")
    assert reason(client.delete("/kbs/v0/resource/a/b/c", headers=owner))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", SECRETS), ("DELETE", SECRETS), ("POST", "/kbs/v0/resource-policy")],
)
def test_a_refused_operator_is_not_called_an_initialisation_error(
    client: FlaskClient, admin: AdminKey, method: str, path: str
) -> None:
    """Refusals that are mislabelled, without a content type or a cause, mislead operators (3)."""
    stranger = client.open(path, method=method)
    powerless = client.open(path, method=method, headers=admin.headers("viewer"))
    for response, status in ((stranger, 401), (powerless, 403)):
        assert response.status_code == status
        assert response.content_type == "application/json"
        assert response.get_json()["type"].endswith("/AdminAuthAccess")
        assert response.get_json()["detail"]


TRICKS = [
    ("POST", "/kbs/v0/resource-policy"),
    ("POST", "/kbs/v0/resource-policy?x=/kbs/v0/resource/team/a/b"),
    ("POST", "/kbs/v0/resource-policy#/kbs/v0/resource/team/a/b"),
    ("POST", "/kbs/v0/resource-policy;/kbs/v0/resource/team/a/b"),
    ("POST", "/kbs/v0/resource-policy/kbs/v0/resource/team/a/b"),
    ("POST", "/kbs/v0/resource/team/../../resource-policy"),
    ("POST", "/kbs/v0/resource/team/..%2F..%2Fresource-policy"),
    ("POST", "/kbs/v0/resource/team%2F..%2F..%2Fresource-policy"),
    ("POST", "/kbs/v0/resource/team/../other/a"),
    ("POST", "/kbs/v0/resource/team/%2e%2e/other"),
    ("POST", "/kbs/v0/resource/TEAM/a/b"),
    ("POST", "/kbs/v0/resource/other/team/b"),
    ("POST", "/kbs/v0//resource/team/a/b"),
    ("POST", "//kbs/v0/resource/team/a/b"),
    ("POST", "/KBS/v0/resource/team/a/b"),
    ("POST", "/kbs/v0/resource/team"),
    ("POST", "/kbs/v0/resource/team/"),
    ("POST", "/kbs/v0/resource/team/a/b/"),
    ("POST", "/kbs/v0/resource/team/a/b%00"),
    ("POST", "/kbs/v0/resource/team/a/b%0A"),
    ("DELETE", "/kbs/v0/resource/team/a/b"),
    ("PUT", "/kbs/v0/resource/team/a/b"),
    ("GET", "/api/v1/secrets/team/a/b"),
]


@pytest.mark.parametrize(("method", "path"), TRICKS)
def test_no_spelling_of_a_path_passes_the_access_list(
    app_with: AppWith,
    admin: AdminKey,
    owner: dict[str, str],
    row_counts: Callable[[], dict[str, int]],
    method: str,
    path: str,
) -> None:
    """Queries, encodings, trailing segments and other methods got past the raw address (8)."""
    everything = {"role": "owner", "methods": ["*"], "paths": ["/**"]}
    client = app_with(admin={"access": [CUSTODIAN, everything]}).test_client()
    client.post("/kbs/v0/resource/team/a/b", data=b"x", headers=owner)
    headers = admin.headers("secret-custodian")
    response = client.open(path, method=method, data=b"{}", headers=headers)
    assert response.status_code in {400, 403, 404, 405}, response.data
    versions = client.get("/api/v1/secrets/team/a/b", headers=owner).get_json()
    assert [each["version"] for each in versions] == [1]
    assert len(client.get("/api/v1/secrets", headers=owner).get_json()) == 1


def test_the_access_list_allows_what_it_names(app_with: AppWith, admin: AdminKey) -> None:
    """The same role may write where its line says, however the path is encoded (8)."""
    client = app_with(admin={"access": [CUSTODIAN]}).test_client()
    headers = admin.headers("secret-custodian")
    for path in ("team/a/b", "team%2Fa%2Fb", "te%61m/a/b"):
        response = client.post(f"/kbs/v0/resource/{path}", data=b"x", headers=headers)
        assert response.status_code == 200, path


@pytest.mark.parametrize(
    "settings",
    [
        {"identity_providers": [], "access": []},
        {"access": []},
        {"identity_providers": []},
    ],
)
def test_nobody_administers_what_was_not_configured(
    app_with: AppWith, admin: AdminKey, settings: dict[str, Any]
) -> None:
    """An administration that is open until someone closes it is open (13)."""
    client = app_with(admin=settings).test_client()
    for path in (SECRETS, "/kbs/v0/resource-policy", "/policy", "/kbs/v0/reference-value"):
        assert client.post(path, headers=admin.headers()).status_code in {401, 403}
        assert client.post(path).status_code == 401


def test_weak_tee_keys_do_not_attest(guest: RawGuest) -> None:
    """Sealing to a key that can be factored is no sealing (18)."""
    _, key = rsa_key(1024, "RSA-OAEP-256")
    assert reason(attest_with(guest.client, key)) == (400, "malformed-request")


def test_rsa1_5_has_to_be_wanted(affirming: None, client: FlaskClient) -> None:
    """Padding with an oracle's history is sealed with only by an insecure setting (18)."""
    _, key = rsa_key(2048, "RSA1_5")
    assert attest_with(client, key).status_code == 200
    assert reason(RawGuest(client).resource()) == (400, "tee-key-unsupported")


def test_oaep_is_what_its_name_says(affirming: None, client: FlaskClient) -> None:
    """Guests that advertised OAEP with SHA-256 decrypted with SHA-1 (55)."""
    private, key = rsa_key(2048, "RSA-OAEP-256")
    attest_with(client, key)
    sealed = RawGuest(client).resource().json
    sha256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    assert len(private.decrypt(b64url_decode(sealed["encrypted_key"]), sha256)) == 32
    assert open_sealed(sealed, private) == SECRET


@pytest.mark.parametrize("version", ["0.3.0", "0.3.9", "0.4.0", "0.4.7", "0.4.0+build"])
def test_guests_of_older_versions_are_served(
    affirming: None, guest: RawGuest, version: str
) -> None:
    """A check for one version exactly locks guests out at every release (27)."""
    nonce = guest.challenge(version=version).json["nonce"]
    assert guest.attest(nonce).status_code == 200
    assert guest.open(guest.resource().json) == SECRET


def test_a_session_answers_no_other_evidence(affirming: None, guest: RawGuest) -> None:
    """An attested session gave its token to whatever came next on it (6)."""
    nonce = guest.nonce()
    guest.attest(nonce)
    other = RawGuest(guest.client)
    assert reason(other.attest(nonce)) == (401, "session-already-attested")


def test_a_failed_attestation_leaves_the_session_unattested(guest: RawGuest) -> None:
    """Nothing is released on the strength of evidence that was refused (5)."""
    nonce = guest.nonce()
    for _ in range(3):
        assert guest.attest(nonce, report_data="AAAA").status_code == 401
    assert reason(guest.resource()) == (401, "token-missing")
