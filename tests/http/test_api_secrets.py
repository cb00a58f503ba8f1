"""Secrets by REST: what programs may ask for, and what is refused; no answer holds a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from programs import Call
from raw_guest import PATH, RawGuest
from servers import AdminKey

URL = f"/api/v1/secrets/{PATH}"


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("POST", f"{URL}/versions?based_on=-1", {"data": b"x"}),
        ("POST", f"{URL}/versions?recipe=mine", {}),
        ("POST", f"{URL}/versions?recipe=uuid", {"data": b"x"}),
        ("POST", "/api/v1/secrets/a/.b/c/versions", {"data": b"x"}),
        ("POST", f"{URL}/restore", {"data": b"1"}),
        ("POST", f"{URL}/restore", {"json": {}}),
        ("POST", f"{URL}/restore", {"json": {"version": True}}),
        ("POST", f"{URL}/restore", {"json": {"version": 1, "based_on": "1"}}),
        ("GET", "/api/v1/secrets?prefix=a/b/c/d", {}),
        ("GET", "/api/v1/secrets/tree?repository=.a", {}),
        ("GET", "/api/v1/secrets/deleted?after=a", {}),
        ("GET", f"{URL}?before=x", {}),
        ("GET", f"{URL}/who-got?limit=0", {}),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(
    refuses: Callable[..., str], method: str, path: str, request_: dict[str, Any]
) -> None:
    """A 400 with a reason, and every table as it was."""
    assert refuses(method, path, request_) in {"malformed-request", "malformed-resource-path"}


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("viewer", "GET", "/api/v1/secrets/tree"),
        ("viewer", "GET", "/api/v1/secrets/deleted"),
        ("viewer", "GET", f"{URL}/who-got"),
        ("auditor", "POST", f"{URL}/versions"),
        ("auditor", "POST", f"{URL}/restore"),
        ("auditor", "DELETE", URL),
        ("secret-custodian", "POST", f"{URL}/destroy"),
    ],
)
def test_a_role_without_the_permission_is_refused(
    client: FlaskClient, admin: AdminKey, role: str, method: str, path: str
) -> None:
    """Reading is for auditors, writing for custodians, destroying for owners."""
    response = client.open(path, method=method, headers=admin.headers(role))
    assert response.status_code == 403
    assert response.json["code"] == "permission-denied"


def test_a_second_writer_is_told(call: Call) -> None:
    """409, and the first writer's version stays the newest."""
    assert call("POST", f"{URL}/versions?based_on=0", data=b"one").json["version"] == 1
    assert call("POST", f"{URL}/versions?based_on=0", data=b"two").status_code == 409
    assert call("POST", f"{URL}/versions?based_on=1", data=b"two").json["version"] == 2
    assert call("POST", f"{URL}/restore", json={"version": 1, "based_on": 1}).status_code == 409
    assert call("POST", f"{URL}/restore", json={"version": 2}).status_code == 409
    restored = call("POST", f"{URL}/restore", json={"version": 1, "based_on": 2}).json
    assert (restored["version"], restored["restored_from"], restored["size_bytes"]) == (3, 1, 3)
    pages = [
        [v["version"] for v in call("GET", f"{URL}?limit=2{q}").json] for q in ("", "&before=2")
    ]
    assert pages == [[3, 2], [1]]
    assert call("GET", f"{URL}?before=1").json == []


def test_a_secret_is_made_deleted_brought_back_and_destroyed(call: Call) -> None:
    """Its whole life, each step as its own operation."""
    made = call("POST", f"{URL}/versions?recipe=hex-32").json
    assert made["size_bytes"] == 64
    assert call("POST", f"{URL}/destroy").status_code == 409
    deleted = call("DELETE", URL).json
    assert deleted["deleted_by"] == made["created_by"]
    assert call("GET", "/api/v1/secrets/deleted").json == [deleted]
    assert call("GET", "/api/v1/secrets/tree").json == []
    assert call("POST", f"{URL}/restore", json={"version": 1}).json["version"] == 2
    assert call("GET", "/api/v1/secrets/deleted").json == []
    call("DELETE", URL)
    assert call("POST", f"{URL}/destroy").json["destroyed"] is True
    assert call("GET", URL).status_code == 404
    assert call("POST", f"{URL}/restore", json={"version": 2}).status_code == 404
    assert call("DELETE", URL).status_code == 404


def test_the_tree_and_the_list_narrow(call: Call) -> None:
    """Level by level, and by the beginning of a path."""
    for path in ("a/x/1", "a/y/1", "b/x/1"):
        call("POST", f"/api/v1/secrets/{path}/versions", data=b"x")
    assert call("GET", "/api/v1/secrets/tree").json == ["a", "b"]
    assert call("GET", "/api/v1/secrets/tree?repository=a&after=x").json == ["y"]
    listed = call("GET", "/api/v1/secrets?prefix=a/y").json
    assert [each["resource_id"] for each in listed] == ["a/y/1"]


def test_who_got_it(affirming: None, guest: RawGuest, call: Call) -> None:
    """The decisions by which it was given out."""
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    assert [each["decision_id"] for each in call("GET", f"{URL}/who-got").json] == [decision_id]
