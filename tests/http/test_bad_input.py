"""Bad input is the caller's fault: 4xx with a reason code, nothing written, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_guest import RawGuest

BODIES = {
    "empty": b"",
    "not json": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "not utf-8": b"\xff\xfe",
    "a repeated member": b'{"tee":"sample","tee":"snp"}',
    "not a number": b'{"a":NaN}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a lone surrogate": b'{"tee":"\\ud800"}',
    "a null byte": b'{"tee":"a\\u0000b"}',
    "a huge number": b'{"a":' + b"9" * 10_000 + b"}",
    "a huge float": b'{"a":1e400}',
}
PUBLIC_POSTS = ["/kbs/v0/auth", "/kbs/v0/attest", "/challenge", "/attestation"]
ADMIN_POSTS = [
    "/kbs/v0/resource-policy",
    "/kbs/v0/attestation-policy",
    "/kbs/v0/reference-value",
    "/policy",
    "/reference-value",
]
MEMBERS = [
    "version",
    "tee",
    "extra-params",
    "tee_params",
    "verification_requests",
    "policy_ids",
    "policy",
    "policy_id",
    "type",
    "payload",
    "runtime-data",
    "tee-evidence",
    "init-data",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def check(response: Any) -> None:
    """A refusal that says why, in the dialect of its endpoint."""
    assert 400 <= response.status_code < 500, response.data
    assert response.json["code"] == response.headers["Vouchgate-Reason"]


@pytest.mark.parametrize("path", PUBLIC_POSTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_public_endpoints_refuse(client: FlaskClient, path: str, body: bytes) -> None:
    """No bytes that anyone can send make the server fail."""
    check(client.post(path, data=body))


@pytest.mark.parametrize("path", ADMIN_POSTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_admin_endpoints_refuse(
    client: FlaskClient, owner: dict[str, str], path: str, body: bytes
) -> None:
    """Nor do an operator's."""
    check(client.post(path, data=body, headers=owner))


@pytest.mark.parametrize("path", [*PUBLIC_POSTS, *ADMIN_POSTS])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=5))
def test_members_of_the_wrong_type_are_refused(
    client: FlaskClient, owner: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    """Known members with any JSON in them."""
    response = client.post(path, data=json.dumps(body), headers=owner)
    assert response.status_code < 500, (body, response.data)
    if response.status_code >= 400:
        check(response)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evidence=json_values, extra=json_values)
def test_evidence_of_any_shape_is_refused(guest: RawGuest, evidence: Any, extra: Any) -> None:
    """Primary and additional evidence are anything at all."""
    nonce = guest.nonce()
    body = guest.attestation(nonce)
    body["tee-evidence"] = {"primary_evidence": evidence, "additional_evidence": extra}
    check(guest.client.post("/kbs/v0/attest", data=json.dumps(body)))


@pytest.mark.parametrize("path", [*PUBLIC_POSTS, *ADMIN_POSTS, "/kbs/v0/resource/a/b/c"])
def test_a_hundred_megabytes_are_refused(
    client: FlaskClient, owner: dict[str, str], path: str
) -> None:
    """The body is not read to its end: its length is enough to refuse it."""
    declared = {"CONTENT_LENGTH": str(100 * 1024 * 1024)}
    response = client.post(path, data=b"x", headers=owner, environ_overrides=declared)
    assert (response.status_code, response.json["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kty", "oct"),
        ("crv", "P-384"),
        ("alg", "none"),
        ("x", "AA"),
        ("x", "é"),
        ("y", ""),
        ("x", "A" * 100_000),
    ],
)
def test_bad_tee_keys_are_refused(guest: RawGuest, member: str, value: str) -> None:
    """A key that nothing could be sealed to is refused before it vouches (wire.md 14.1, 18)."""
    body = guest.attestation(guest.nonce())
    body["runtime-data"]["tee-pubkey"] = guest.key | {member: value}
    check(guest.client.post("/kbs/v0/attest", json=body))


@pytest.mark.parametrize(
    "init_data",
    [
        {"format": "json", "body": "{}"},
        {"format": "toml", "body": "not toml ="},
        {"format": "toml", "body": 'version="0.1.0"\nalgorithm="md5"\n[data]\n'},
        {"format": "toml", "body": 'version="0.1.0"\nalgorithm="sha-384"\n[data]\n'},
        {"format": "toml", "body": "x" * 1_000_000},
        {"format": "toml"},
        "text",
        7,
    ],
)
def test_bad_init_data_is_refused(guest: RawGuest, init_data: Any) -> None:
    """Init data that does not parse stops the attestation (wire.md 2.8)."""
    body = guest.attestation(guest.nonce()) | {"init-data": init_data}
    check(guest.client.post("/kbs/v0/attest", json=body))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer e30.e30.",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Basic YTpi",
        "Bearer " + "A" * 100_000,
        "Bearer é",
    ],
)
def test_bad_bearer_tokens_are_refused(client: FlaskClient, header: str) -> None:
    """Whatever stands in the header, it is refused with a reason."""
    headers = {"Authorization": header}
    check(client.get("/kbs/v0/resource/a/b/c", headers=headers))
    check(client.get("/api/v1/decisions", headers=headers))


def test_nothing_is_written_by_bad_input(
    client: FlaskClient, row_counts: Callable[[], dict[str, int]]
) -> None:
    """Requests that do not parse leave no row."""
    before = row_counts()
    for path in PUBLIC_POSTS:
        for body in BODIES.values():
            client.post(path, data=body)
    assert row_counts() == before


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_405(client: FlaskClient, method: str) -> None:
    """Nothing answers to a method that it was not made for."""
    assert client.open("/kbs/v0/auth", method=method).status_code in {404, 405}


@pytest.mark.parametrize(
    "path", ["/kbs/v0", "/kbs/v0/", "/kbs/v1/auth", "/nonesuch", "//kbs/v0/auth"]
)
def test_unknown_paths_are_404(client: FlaskClient, path: str) -> None:
    """What is not there is not there, in the dialect of its place."""
    response = client.get(path)
    assert response.status_code == 404
    assert response.json["code"]
