"""What is known to be weak around reference values and tools, tried on ours (wire.md 14.3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from message_signing import DIGEST, KEY, encoded, envelope, statement
from message_signing import message as in_toto
from raw_guest import PATH, SECRET, RawGuest
from servers import SAMPLE_VALUES, AdminKey
from sqlalchemy import text

from app.store.database import db
from guest.wire.encoding import b64_encode

AppWith = Callable[..., Flask]
STRANGER = ec.generate_private_key(ec.SECP256R1())
SECRETS = f"/kbs/v0/resource/{PATH}"


def message(values: Any, **members: Any) -> dict[str, Any]:
    """An RVPS message of the sample extractor."""
    payload = b64_encode(json.dumps(values).encode())
    return {"version": "0.1.0", "type": "sample", "payload": payload} | members


def test_expired_values_affirm_nothing(app: Flask, guest: RawGuest, owner: dict[str, str]) -> None:
    """Expiry was stored and never looked at (50)."""
    client = guest.client
    client.post(SECRETS, data=SECRET, headers=owner)
    client.post("/reference-value", json=message(SAMPLE_VALUES), headers=owner)
    guest.attest()
    assert guest.open(guest.resource().json) == SECRET
    past = int((datetime.now(UTC) - timedelta(seconds=1)).timestamp() * 1_000_000)
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("UPDATE reference_values SET expires_at = :past"), {"past": past})
        connection.execute(text("UPDATE revisions SET value = value + 1"))
    assert client.get("/kbs/v0/reference-value/svn", headers=owner).status_code == 404
    guest.attest()
    assert guest.resource().json["code"] == "policy-denied"


@pytest.mark.parametrize(
    "bent",
    [
        {"type": "corim"},
        {"type": "nonesuch"},
        {"type": None},
        {"version": "9.9.9"},
        {"payload": b64_encode(b"{}")},
        {"payload": b64_encode(b"[]")},
        {"payload": "no base64"},
        {"payload": {}},
    ],
)
def test_messages_that_nothing_reads_are_refused(
    client: FlaskClient,
    owner: dict[str, str],
    row_counts: Callable[[], dict[str, int]],
    bent: dict[str, Any],
) -> None:
    """A message that was accepted and changed nothing is found out when a guest is refused (50)."""
    before = row_counts()
    for path in ("/reference-value", "/kbs/v0/reference-value"):
        response = client.post(path, json=message({"a": 1}, **bent), headers=owner)
        assert response.status_code == 400
        assert response.get_json()["code"] == "malformed-reference-value"
    assert row_counts() == before


@pytest.mark.parametrize(
    ("bent", "status", "code"),
    [
        ({}, 200, None),
        ({"key": STRANGER}, 403, "signer-untrusted"),
        ({"name": "tdx_mrtd"}, 403, "signer-out-of-scope"),
        ({"name": ""}, 400, "malformed-reference-value"),
    ],
)
def test_messages_are_signed_by_someone_named_for_these_names(
    app_with: AppWith,
    owner: dict[str, str],
    tmp_path: Path,
    bent: dict[str, Any],
    status: int,
    code: str,
) -> None:
    """No signature over a message was verified (50); an owner alone does not make one good."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ci.pem").write_bytes(pem)
    signer = {"public_key_file": tmp_path / "ci.pem", "name_prefixes": ["snp_"]}
    client = app_with(rvps={"extractors": ["in-toto"], "signers": {"ci": signer}}).test_client()
    name = bent.get("name", "snp_measurement")
    content = statement(subject=[{"name": name, "digest": {"sha384": DIGEST}}])
    signed = encoded(envelope(content, key=bent.get("key", KEY)))
    response = client.post("/reference-value", json=in_toto(signed, "in-toto"), headers=owner)
    assert response.status_code == status, response.text
    if code is not None:
        assert response.get_json()["code"] == code
    read = client.get("/kbs/v0/reference-value/snp_measurement", headers=owner)
    assert read.status_code == (404 if code else 200)
    unread = client.post("/reference-value", json=message({"a": 1}), headers=owner)
    assert unread.get_json()["code"] == "malformed-reference-value"


@pytest.mark.parametrize(
    "name",
    [
        "rvps:///vendor/firmware:v2",
        "rvps:///a/b",
        "rvps:///a/b/c:1.0",
        "a:b",
        "with space",
        "ünïcode",
        "a%2Fb",
        "a//b",
        "x" * 200,
    ],
)
def test_ids_of_every_legal_shape_are_kept(
    client: FlaskClient, owner: dict[str, str], name: str
) -> None:
    """The recommended form was refused by most stores (51)."""
    response = client.post("/kbs/v0/reference-value", json=message({name: [1]}), headers=owner)
    assert response.status_code == 200, response.json
    quoted = name.replace("%", "%25")
    read = client.get(f"/kbs/v0/reference-value/{quoted}", headers=owner)
    assert read.json == [1]


@pytest.mark.parametrize("role", [None, "", 7, ["owner"], "Owner"])
def test_a_token_without_a_role_does_nothing_and_hears_so(
    client: FlaskClient, admin: AdminKey, role: Any
) -> None:
    """Tools that sent no role were refused, or did not look whether they were (53, 54)."""
    headers = {"Authorization": f"Bearer {admin.token(role=role)}"}
    response = client.post(SECRETS, data=b"x", headers=headers)
    assert response.status_code in {401, 403}
    assert response.get_json()["code"] in {"admin-unauthenticated", "permission-denied"}
