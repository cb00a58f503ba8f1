"""Reference values by REST: lists, history, imports, and what is refused with nothing written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from programs import Call
from raw_guest import RawGuest
from servers import AdminKey

from guest.wire.encoding import b64_encode

BASE = "/api/v1/reference-values"


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("GET", f"{BASE}?state=young", {}),
        ("GET", f"{BASE}?limit=0", {}),
        ("GET", f"{BASE}/history", {}),
        ("GET", f"{BASE}/history?name=a&before=x", {}),
        ("GET", f"{BASE}/history?name=a&before=", {}),
        ("DELETE", BASE, {}),
        ("POST", BASE, {"data": b"{"}),
        ("POST", BASE, {"json": {}}),
        ("POST", BASE, {"json": {"values": []}}),
        ("POST", BASE, {"json": {"values": [1]}}),
        ("POST", BASE, {"json": {"values": [{"name": "a"}]}}),
        ("POST", BASE, {"json": {"values": [{"name": "a", "value": 1, "expires_at": 1}]}}),
        ("POST", BASE, {"json": {"values": [{"name": "a", "value": 1, "expires_at": "x"}]}}),
        ("POST", BASE, {"json": {"values": [{"name": "a", "value": 1}, {"name": "", "value": 1}]}}),
        ("POST", f"{BASE}/import", {"data": b""}),
        ("POST", f"{BASE}/import", {"json": {"a": 1, "b": None}}),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(
    refuses: Callable[..., str], method: str, path: str, request_: dict[str, Any]
) -> None:
    """A 400 with a reason, and every table as it was."""
    assert refuses(method, path, request_) in {"malformed-request", "malformed-reference-value"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", BASE),
        ("POST", f"{BASE}/import"),
        ("DELETE", BASE),
        ("POST", f"/api/v1/decisions/{'0' * 32}/reference-values"),
    ],
)
def test_a_reader_changes_nothing(
    client: FlaskClient, admin: AdminKey, method: str, path: str
) -> None:
    """Writing is for policy authors and owners."""
    response = client.open(path, method=method, headers=admin.headers("viewer"))
    assert response.status_code == 403
    assert response.json["code"] == "permission-denied"


def test_a_value_goes_through_its_life(call: Call) -> None:
    """Added, replaced, withdrawn; its history tells all of it."""
    for value in (["1"], ["2"]):
        call("POST", BASE, json={"values": [{"name": "a/b", "value": value}]})
    (listed,) = call("GET", f"{BASE}?containing=A/").json
    assert (listed["value"], listed["state"]) == (["2"], "active")
    assert call("DELETE", f"{BASE}?name=a/b").json == {"name": "a/b", "withdrawn": True}
    assert call("DELETE", f"{BASE}?name=a/b").status_code == 404
    newest, oldest = call("GET", f"{BASE}/history?name=a/b").json
    assert (newest["value"], newest["active"], oldest["withdrawn_at"]) == (["2"], False, None)
    assert newest["withdrawn_by"] == newest["registered_by"] == oldest["registered_by"]
    older = call("GET", f"{BASE}/history?name=a/b&before={newest['number']}").json
    assert older == [oldest]
    assert call("GET", f"{BASE}/history?name=never").status_code == 404


def test_an_import_is_tried_and_then_done(call: Call) -> None:
    """What would change is what changes."""
    content, csv = b"name,value\na,1\nb,x\n", {"content_type": "text/csv"}
    tried = call("POST", f"{BASE}/import?dry_run=true", data=content, **csv).json
    assert call("GET", BASE).json == []
    done = call("POST", f"{BASE}/import", data=content, **csv).json
    assert (tried["registered"], done["registered"]) == (False, True)
    assert tried["values"] == done["values"]
    assert [(v["line"], v["name"], v["effect"], v["after"]) for v in done["values"]] == [
        (2, "a", "added", 1),
        (3, "b", "added", "x"),
    ]


def test_a_value_tells_the_message_that_it_came_in(call: Call) -> None:
    """By type, signer and digest; what was typed came in none."""
    message = {"version": "0.1.0", "type": "sample", "payload": b64_encode(b'{"a": 1}')}
    digest = hashlib.sha256(json.dumps(message, sort_keys=True, separators=(",", ":")).encode())
    came_in = {"extractor": "sample", "signer": None, "message_digest": digest.hexdigest()}
    (tried,) = call("POST", f"{BASE}/import?dry_run=true", json=message).json["values"]
    assert tried["provenance"] == came_in
    call("POST", f"{BASE}/import", json=[message])
    call("POST", BASE, json={"values": [{"name": "b", "value": 1}]})
    assert [each["provenance"] for each in call("GET", BASE).json] == [came_in, None]


def test_an_import_is_proposed(call: Call, client: FlaskClient) -> None:
    """Nothing is registered; whoever approves sees the message that the values came in."""
    message = {"version": "0.1.0", "type": "sample", "payload": b64_encode(b'{"a": 1}')}
    answer = call("POST", f"{BASE}/import?draft=true", json=message).json
    assert (answer["registered"], call("GET", BASE).json) == (False, [])
    proposal = call("GET", f"/api/v1/proposals/{answer['proposal_id']}").json
    assert proposal["change"]["register"][0]["provenance"]["extractor"] == "sample"
    path = f"/api/v1/proposals/{answer['proposal_id']}/approve"
    assert call("POST", path, json={"revision": 1}).status_code == 200
    (value,) = call("GET", BASE).json
    assert (value["source"], value["provenance"]["extractor"]) == ("sample", "sample")


def test_every_fault_of_an_import_is_told(call: Call) -> None:
    """With its line; the good lines are not registered either."""
    content = b"name,value\ngood,1\nbad\n,2\n"
    response = call("POST", f"{BASE}/import", data=content, content_type="text/csv")
    assert response.status_code == 400
    assert "line 3: " in response.json["detail"]
    assert "line 4: " in response.json["detail"]
    assert call("GET", BASE).json == []


def test_unread_and_missing_are_two_sides(call: Call, guest: RawGuest) -> None:
    """What nobody reads, and what is read and not there."""
    decision_id = guest.attest().headers["Vouchgate-Decision"]
    call("POST", f"{BASE}/import", json={"nobodys": 1, "svn": ["1"]})
    assert [each["name"] for each in call("GET", f"{BASE}?use=unread").json] == ["nobodys"]
    missing = {each["name"]: each for each in call("GET", f"{BASE}/missing").json}
    assert "svn" not in missing
    assert missing["launch_digest"]["decision_id"] == decision_id
    assert missing["launch_digest"]["policies"] == ["default_cpu"]
    assert missing["mr_td"]["decision_id"] is None


def test_values_are_taken_from_a_decision(call: Call, guest: RawGuest) -> None:
    """Offered, taken by name, and met from then on."""
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    url = f"/api/v1/decisions/{decision_id}/reference-values"
    assert call("POST", url, json={"names": ["mine"]}).status_code == 400
    assert call("POST", url, json={"names": "svn"}).status_code == 400
    (taken,) = call("POST", url, json={"names": ["svn"]}).json
    assert taken["value"] == ["1"]
    offer = call("GET", url).json
    assert taken["source"] == f"attestation {offer['appraisal_id']}"
    assert {each["name"] for each in offer["values"] if each["is_met"]} == {"svn"}
    assert call("POST", url, json={"names": ["svn"]}).status_code == 400
