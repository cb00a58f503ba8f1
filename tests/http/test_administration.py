"""What operators do by REST: who may, what is refused, and what is written down."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, RawGuest
from servers import AdminKey

from guest.wire.encoding import b64_encode, b64url_encode

ALLOW_ALL = (
    'package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == "resource"\n'
)
WRITES = [
    ("POST", f"/kbs/v0/resource/{PATH}"),
    ("DELETE", f"/kbs/v0/resource/{PATH}"),
    ("POST", "/kbs/v0/resource-policy"),
    ("GET", "/kbs/v0/resource-policy"),
    ("POST", "/kbs/v0/attestation-policy"),
    ("POST", "/kbs/v0/reference-value"),
    ("GET", "/kbs/v0/reference-value/svn"),
    ("POST", "/policy"),
    ("POST", "/reference-value"),
    ("GET", "/api/v1/secrets"),
    ("GET", "/api/v1/decisions"),
    ("GET", "/api/v1/audit"),
    ("POST", "/api/v1/keys/rotate"),
    ("GET", "/metrics"),
]


def encoded(policy: str) -> str:
    """A policy as it travels."""
    return b64url_encode(policy.encode())


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_nothing_is_open_to_strangers(client: FlaskClient, method: str, path: str) -> None:
    """Without an operator's token every one of these is refused (wire.md 14.2, 30)."""
    response = client.open(path, method=method)
    assert response.status_code == 401
    assert response.json["code"] == "admin-unauthenticated"


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_guests_token_is_no_operators(
    affirming: None, guest: RawGuest, method: str, path: str
) -> None:
    """An attestation token administers nothing."""
    token = guest.attest().json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert guest.client.open(path, method=method, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "someone"},
        {"iss": None},
        {"role": None},
        {"role": 7},
        {"nbf": int(time.time()) + 3600},
    ],
)
def test_unfit_tokens_are_refused(
    client: FlaskClient, admin: AdminKey, claims: dict[str, Any]
) -> None:
    """Expired, endless, early, foreign or roleless tokens authenticate nobody."""
    headers = {"Authorization": f"Bearer {admin.token(**claims)}"}
    assert client.get("/api/v1/decisions", headers=headers).status_code == 401


def test_a_token_of_another_key_is_refused(client: FlaskClient, tmp_path_factory: Any) -> None:
    """Only the configured key signs operators' tokens."""
    stranger = AdminKey.make(tmp_path_factory.mktemp("stranger"))
    assert client.get("/api/v1/decisions", headers=stranger.headers()).status_code == 401


def test_the_public_key_is_no_shared_secret(client: FlaskClient, admin: AdminKey) -> None:
    """HS256 with the public key as its secret is the classic confusion of algorithms."""
    header = b64url_encode(b'{"alg":"HS256"}')
    claims = {"iss": "test-admins", "role": "owner", "exp": int(time.time()) + 60}
    signing_input = f"{header}.{b64url_encode(json.dumps(claims).encode())}"
    code = hmac.digest(admin.public_file.read_bytes(), signing_input.encode(), "sha256")
    headers = {"Authorization": f"Bearer {signing_input}.{b64url_encode(code)}"}
    assert client.get("/api/v1/decisions", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("viewer", "POST", "/kbs/v0/resource-policy"),
        ("auditor", "POST", f"/kbs/v0/resource/{PATH}"),
        ("policy-author", "POST", f"/kbs/v0/resource/{PATH}"),
        ("secret-custodian", "POST", "/kbs/v0/resource-policy"),
        ("secret-custodian", "POST", "/policy"),
        ("nobody", "GET", "/api/v1/decisions"),
        ("operator", "GET", "/api/v1/decisions"),
    ],
)
def test_a_role_is_only_what_it_is(
    client: FlaskClient, admin: AdminKey, role: str, method: str, path: str
) -> None:
    """A role without the permission, or without a line in the access list, gets 403."""
    response = client.open(path, method=method, headers=admin.headers(role))
    assert response.status_code == 403
    assert response.json["code"] == "permission-denied"


def test_a_query_does_not_change_the_path(client: FlaskClient, admin: AdminKey) -> None:
    """The access list sees what was routed (wire.md 14.1, 8)."""
    path = f"/kbs/v0/resource-policy?x=/kbs/v0/resource/{PATH}"
    assert client.post(path, headers=admin.headers("secret-custodian")).status_code == 403


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("package policy\nallow if {", "malformed-policy"),
        ("package other\nallow := true", "malformed-policy"),
        ("package policy\nother := true", "malformed-policy"),
        ("", "malformed-policy"),
        ("not rego at all", "malformed-policy"),
    ],
)
def test_a_broken_resource_policy_is_refused(
    client: FlaskClient, owner: dict[str, str], policy: str, code: str
) -> None:
    """What does not compile, or lacks its rule, never becomes the policy."""
    response = client.post(
        "/kbs/v0/resource-policy", json={"policy": encoded(policy)}, headers=owner
    )
    assert (response.status_code, response.json["code"]) == (400, code)


def test_a_syntax_error_says_where(client: FlaskClient, owner: dict[str, str]) -> None:
    """The author hears line and column."""
    body = {"policy": encoded("package policy\nimport rego.v1\nallow if {")}
    response = client.post("/kbs/v0/resource-policy", json=body, headers=owner)
    assert "line 3" in response.json["detail"]


@pytest.mark.parametrize(
    "rule",
    [
        'trust_claims := {"hardware": 258}',
        'trust_claims := {"hardware": -129}',
        'trust_claims := {"sparkle": 2}',
        'trust_claims := {"hardware": "2"}',
        "other := 1",
    ],
)
def test_a_broken_attestation_policy_is_refused(
    client: FlaskClient, owner: dict[str, str], rule: str
) -> None:
    """Unknown trust claims and numbers that do not fit are refused when set (wire.md 14.2, 34)."""
    body = {"policy_id": "mine_cpu", "policy": encoded(f"package policy\nimport rego.v1\n{rule}\n")}
    response = client.post("/kbs/v0/attestation-policy", json=body, headers=owner)
    assert (response.status_code, response.json["code"]) == (400, "malformed-policy")


def test_a_policy_takes_effect_at_the_next_request(
    guest: RawGuest, owner: dict[str, str], services: Any
) -> None:
    """No restart, no delay: the next decision is made under the new policy."""
    client = guest.client
    client.post(f"/kbs/v0/resource/{PATH}", data=b"x", headers=owner)
    guest.attest()
    assert guest.resource().status_code == 403
    body = {"policy": encoded(ALLOW_ALL)}
    assert client.post("/kbs/v0/resource-policy", json=body, headers=owner).status_code == 200
    assert guest.open(guest.resource().json) == b"x"


def test_secrets_are_versioned_listed_and_deleted(
    client: FlaskClient, owner: dict[str, str]
) -> None:
    """Metadata reads back; values never do."""
    url = f"/kbs/v0/resource/{PATH}"
    assert client.post(url, data=b"one", headers=owner).status_code == 200
    written = client.post(url, data=b"second", headers=owner)
    assert (written.status_code, written.data) == (200, b"")
    versions = client.get(f"/api/v1/secrets/{PATH}", headers=owner).json
    assert [(each["version"], each["size_bytes"], each["active"]) for each in versions] == [
        (2, 6, True),
        (1, 3, False),
    ]
    listed = client.get("/api/v1/secrets", headers=owner).json
    assert [each["resource_id"] for each in listed] == [PATH]
    assert client.delete(url, headers=owner).status_code == 200
    assert client.get("/api/v1/secrets", headers=owner).json == []
    assert client.delete(url, headers=owner).status_code == 404


def test_reference_values_read_back_under_any_legal_name(
    client: FlaskClient, owner: dict[str, str]
) -> None:
    """Names with slashes and colons are names (wire.md 14.3, 51)."""
    payload = b64_encode(b'{"rvps:///vendor/firmware:v2": ["ab"], "svn": 3}')
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    assert client.post("/kbs/v0/reference-value", json=message, headers=owner).status_code == 200
    for name, value in (("rvps:///vendor/firmware:v2", ["ab"]), ("svn", 3)):
        assert client.get(f"/kbs/v0/reference-value/{name}", headers=owner).json == value
    missing = client.get("/kbs/v0/reference-value/none", headers=owner)
    assert missing.status_code == 404


def test_every_action_is_in_the_audit_log(
    app: Flask, client: FlaskClient, owner: dict[str, str]
) -> None:
    """Who, what, and digests; never a value."""
    client.post(f"/kbs/v0/resource/{PATH}", data=b"canary-value", headers=owner)
    client.post("/kbs/v0/resource-policy", json={"policy": encoded(ALLOW_ALL)}, headers=owner)
    records = client.get("/api/v1/audit", headers=owner).json
    assert [each["entry"]["actor"]["name"] for each in records[:2]] == ["ann@tests"] * 2
    assert records[0]["previous"] == records[1]["digest"]
    assert "canary-value" not in str(records)


def test_policies_of_the_as_can_be_read(client: FlaskClient) -> None:
    """Whoever relies on a token may know what it was appraised by (wire.md 14.2, 33)."""
    ids = [each["policy-id"] for each in client.get("/policy").json]
    assert "default_cpu" in ids
    assert "package policy" in client.get("/policy/default_cpu").text
    assert client.get("/policy/none").status_code == 404
