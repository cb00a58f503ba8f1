"""What is pasted is taken apart and forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask.testing import FlaskClient
from raw_guest import PATH, RawGuest, attestation_body, evaluation_body, new_key, public_key
from servers import AdminKey

from app.console.permissions import Role
from guest.wire.encoding import b64_encode

SAMPLE = {"svn": "1", "report_data": ""}
DOCUMENT = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "x = 1"\n'


@pytest.fixture
def ask(client: FlaskClient, owner: dict[str, str]) -> Callable[..., Any]:
    """Asks the inspector."""

    def ask(what: str, **body: Any) -> Any:
        return client.post(f"/api/v1/inspect/{what}", json=body, headers=owner)

    return ask


@pytest.fixture
def token(guest: RawGuest, affirming: None) -> str:
    """A token of the built-in AS."""
    return str(guest.attest().json["token"])


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no token": ("token", {}, "malformed-request"),
    "a token that is none": ("token", {"token": "a.b"}, "malformed-token"),
    "a token with extensions": (
        "token",
        {"token": "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdfQ.e30.AA"},
        "token-algorithm-refused",
    ),
    "evidence that is none": ("evidence", {"evidence": "{", "tee": "sample"}, "malformed-request"),
    "evidence of an untold TEE": ("evidence", {"evidence": "{}"}, "malformed-request"),
    "evidence of a TEE that is off": (
        "evidence",
        {"evidence": "{}", "tee": "cca"},
        "tee-unsupported",
    ),
    "evidence in a list": ("evidence", {"evidence": []}, "malformed-request"),
    "init data that are none": ("init-data", {"init_data": "x"}, "malformed-init-data"),
    "a URI that is none": ("uri", {"uri": "http://x"}, "malformed-resource-path"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused(
    ask: Callable[..., Any], row_counts: Callable[[], dict[str, int]], name: str
) -> None:
    """With a reason code, without an echo, and nothing is written."""
    before = row_counts()
    what, body, code = BAD[name]
    answer = ask(what, **body)
    assert answer.json["code"] == code
    assert answer.status_code == (422 if code == "token-algorithm-refused" else 400)
    assert row_counts() == before


def test_nothing_is_written_and_nothing_logged(
    ask: Callable[..., Any],
    row_counts: Callable[[], dict[str, int]],
    token: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No record of what was looked at, no token, no nonce consumed, nothing in the log."""
    before = row_counts()
    key = public_key(new_key())
    evaluation = evaluation_body("canary-nonce", key)
    assert ask("token", token=token).json["verified"]
    assert ask("token", token=token[:-6] + "AAAAAA").json["code"] == "token-signature-invalid"
    assert ask("evidence", evidence=json.dumps(evaluation)).status_code == 200
    assert ask("init-data", init_data=DOCUMENT).status_code == 200
    assert row_counts() == before
    logged = "".join(capfd.readouterr())
    assert token.split(".")[2] not in logged
    assert "canary-nonce" not in logged


def test_a_token_is_verified_and_explained(ask: Callable[..., Any], token: str) -> None:
    """Checks, times from now on, the TEE key, the vector, claims with their meaning."""
    report = ask("token", token=f"  {token}\n").json
    assert (report["verified"], report["issuer"]) == (True, "builtin")
    assert {each["state"] for each in report["checks"]} == {"met"}
    times = {each["name"]: each["seconds_from_now"] for each in report["times"]}
    assert times["iat"] <= 0 < times["exp"]
    assert report["tee_key"]["kty"] == "EC"
    (submodule,) = report["submodules"]
    assert (submodule["tee"], submodule["status"]) == ("sample", "affirming")
    assert {each["name"]: each["tier"] for each in submodule["vector"]}["hardware"] == "affirming"
    meanings = {each["path"]: each["meaning"] for each in submodule["claims"]}
    assert meanings["sample.svn"]


def test_evidence_without_its_runtime_data_is_said_to_be_unbound(ask: Callable[..., Any]) -> None:
    """Genuine is not fresh, and not about this guest."""
    evidence = {"svn": "1", "report_data": b64_encode(b"x")}
    for text in (json.dumps(evidence), b64_encode(json.dumps(evidence).encode())):
        report = ask("evidence", evidence=text, tee="sample").json
        (piece,) = report["evidence"]
        assert (piece["genuine"], piece["binding"]) == (True, "not checked")
        assert report["freshness"] == "not checked"
        assert piece["insecure"] is True
    claims = {each["path"]: each for each in piece["environments"][0]["claims"]}
    assert claims["sample.svn"]["meaning"]
    assert "compared it" not in claims["report_data"]["judged"]


def test_evidence_with_its_runtime_data_is_compared(ask: Callable[..., Any]) -> None:
    """In both forms in which guests send it; for another key it is refused with its code."""
    key, other = public_key(new_key()), public_key(new_key())
    for body, tee in ((attestation_body("n", key), "sample"), (evaluation_body("n", key), None)):
        (piece,) = ask("evidence", evidence=json.dumps(body), tee=tee).json["evidence"]
        assert (piece["genuine"], piece["binding"]) == (True, "met")
        annotated = piece["environments"][0]["annotated_evidence"]
        assert annotated["runtime_data_claims"] is None
    body["verification_requests"][0]["runtime_data"]["structured"]["tee-pubkey"] = other
    (piece,) = ask("evidence", evidence=json.dumps(body)).json["evidence"]
    assert (piece["genuine"], piece["code"]) == (False, "binding-mismatch")


@pytest.mark.usefixtures("affirming")
def test_existence_is_told_to_those_who_may_see_secrets(
    client: FlaskClient, admin: AdminKey
) -> None:
    """A viewer learns what a URI names, and not what there is."""
    for role, expected in (("secret-custodian", True), ("viewer", None)):
        answer = client.post(
            "/api/v1/inspect/uri", json={"uri": f"kbs:///{PATH}"}, headers=admin.headers(role)
        )
        assert answer.json["exists"] is expected
        assert answer.json["policies"][0]["id"] == "resource-policy"


def test_init_data_lead_to_this_server(client: FlaskClient, owner: dict[str, str]) -> None:
    """What is not given is filled in; what is given empty stays out."""
    report = client.post("/api/v1/init-data", json={}, headers=owner).json
    assert "http://127.0.0.1:8080" in report["files"]["aa.toml"]
    assert report["annotation"]["name"].endswith("cc_init_data")
    answer = client.post("/api/v1/init-data", json={"kbs_url": "x"}, headers=owner)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed-init-data")


PAGES = {
    "/inspector": ("token", "This token verifies"),
    "/inspector/evidence": ("evidence", "This is no attestation"),
    "/inspector/init-data": ("init_data", "MRCONFIGID"),
    "/inspector/uri": ("uri", "resource-policy"),
}


def test_the_pages_take_things_apart(console: Callable[..., Console], token: str) -> None:
    """Each its own kind, and what was pasted is not in an address and not echoed."""
    viewer = console(Role.VIEWER)
    pasted = {
        "token": token,
        "evidence": json.dumps({"svn": "1", "report_data": b64_encode(b"x")}),
        "init_data": DOCUMENT,
        "uri": f"kbs:///{PATH}",
    }
    for path, (field, said) in PAGES.items():
        assert viewer.get(path).status_code == 200
        page = viewer.post(path, **{field: pasted[field], "tee": "sample"})
        assert page.status_code == 200, page.text
        assert said in page.text
        assert "Genuine" not in page.text, "anyone can forge the sample TEE"
        refused = viewer.post(path, **{field: "canary canary", "tee": "sample"})
        assert refused.status_code == 400
        assert viewer.post(path).status_code == 400
    assert token not in viewer.post("/inspector", token=token).text


def test_the_composer_fills_in_this_server(console: Callable[..., Console]) -> None:
    """The form and the document that it makes."""
    viewer = console(Role.VIEWER)
    assert "http://127.0.0.1:8080" in viewer.get("/inspector/compose").text
    form = {"kbs_url": "https://kbs.example", "algorithm": "sha384"}
    page = viewer.post("/inspector/compose", **form)
    assert "https://kbs.example" in page.text
    assert "cut to its first 32 bytes" in page.text
    assert (
        "is an http(s) address" in viewer.post("/inspector/compose", **form | {"kbs_url": "x"}).text
    )
