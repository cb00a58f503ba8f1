"""The background-check model over HTTP: challenge, attestation, resource."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, SECRET, RawGuest

from guest.wire.encoding import b64_decode, b64_encode

ERRORS = "https://github.com/confidential-containers/kbs/errors/"


def reason(response: Any) -> tuple[int, str]:
    """Status and reason code."""
    return response.status_code, response.json["code"]


# --- what is refused ---------------------------------------------------------------------------


def test_a_resource_without_session_or_token_is_401(guest: RawGuest) -> None:
    """The guest's first GET is answered so that it attests (wire.md 1.5)."""
    response = guest.resource()
    assert reason(response) == (401, "token-missing")
    assert response.json["type"] == ERRORS + "TokenNotFound"
    assert response.content_type == "application/json"


@pytest.mark.parametrize("version", ["1.0.0", "0.5.0", "x", "", "0.4"])
def test_other_protocol_versions_are_refused(guest: RawGuest, version: str) -> None:
    """A version that cannot be served is named as the reason."""
    assert guest.challenge(version=version).status_code == 400


def test_unknown_tees_are_refused(guest: RawGuest) -> None:
    """A TEE that no verifier is enabled for gets no challenge."""
    assert reason(guest.challenge(tee="toaster")) == (400, "tee-unsupported")
    assert reason(guest.challenge(tee="snp")) == (400, "tee-unsupported")


def test_attestation_without_a_session_is_refused(guest: RawGuest) -> None:
    """The cookie is what a nonce belongs to."""
    body = guest.attestation("bm9uY2U=")
    assert reason(guest.client.post("/kbs/v0/attest", json=body)) == (401, "session-missing")


def test_a_forged_session_is_refused(guest: RawGuest) -> None:
    """A cookie that was not issued here opens nothing."""
    nonce = guest.nonce()
    guest.client.set_cookie("kbs-session-id", "0" * 32, path="/kbs/v0")
    assert reason(guest.attest(nonce)) == (401, "session-unknown")


def test_another_nonce_is_refused(guest: RawGuest) -> None:
    """The nonce of one session does not serve another."""
    first = guest.nonce()
    guest.nonce()
    assert reason(guest.attest(first)) == (401, "session-nonce-mismatch")


def test_evidence_for_another_key_is_refused(guest: RawGuest) -> None:
    """Evidence bound to another key is not this guest's."""
    response = guest.attest(report_data=b64_encode(b"\0" * 48))
    assert reason(response) == (401, "binding-mismatch")
    assert response.headers["Vouchgate-Decision"]


def test_an_attested_session_answers_only_its_own_key(
    affirming: None, guest: RawGuest, client: FlaskClient
) -> None:
    """A second key on an attested session is refused; the same nonce and key get their token."""
    nonce = guest.nonce()
    first = guest.attest(nonce)
    again = guest.attest(nonce)
    assert first.json["token"] == again.json["token"]
    assert reason(RawGuest(client).attest(nonce)) == (401, "session-already-attested")


def test_a_failed_attestation_may_be_tried_again(affirming: None, guest: RawGuest) -> None:
    """A nonce is consumed when it vouches, not when it fails to."""
    nonce = guest.nonce()
    assert guest.attest(nonce, report_data="").status_code == 401
    assert guest.attest(nonce).status_code == 200


def test_a_refusing_appraisal_releases_nothing(services: Any, guest: RawGuest) -> None:
    """Without reference values the sample TEE is contraindicated, and policy says no with 403."""
    assert guest.attest().status_code == 200
    response = guest.resource()
    assert reason(response) == (403, "policy-denied")
    assert response.json["type"] == ERRORS + "PolicyDeny"


def test_names_of_secrets_cannot_be_probed(services: Any, guest: RawGuest, affirming: None) -> None:
    """A refused guest hears the same of a secret that exists and of one that does not."""
    guest.attest(svn="0")
    exists, missing = guest.resource(), guest.resource("default/demo/none")
    assert reason(exists) == reason(missing) == (403, "policy-denied")
    assert exists.json["detail"] == missing.json["detail"]


def test_a_missing_secret_is_404(affirming: None, guest: RawGuest) -> None:
    """Only an allowed guest hears that there is no such secret, and does not attest again."""
    guest.attest()
    assert reason(guest.resource("default/demo/none")) == (404, "resource-not-found")


@pytest.mark.parametrize(
    "path",
    [
        "a/b",
        "a/b/c/d",
        "a//c",
        ".a/b/c",
        "a/../c",
        "a/b/.c",
        "a/b/c%00",
        "a/b/c%2Fd",
        "a/b/%2e%2e",
        "a/b/ö",
        "a/b/c d",
        "a/b/" + "c" * 300,
    ],
)
def test_bad_paths_are_refused(affirming: None, guest: RawGuest, path: str) -> None:
    """A path is three segments of harmless characters, before and after decoding."""
    guest.attest()
    assert reason(guest.resource(path)) == (400, "malformed-resource-path")


def test_unknown_plugins_are_404(guest: RawGuest) -> None:
    """What no plugin answers to does not exist."""
    response = guest.client.get("/kbs/v0/nonesuch/a/b/c")
    assert reason(response) == (404, "plugin-not-found")


def test_a_head_request_decides_nothing(
    affirming: None, guest: RawGuest, row_counts: Callable[[], dict[str, int]]
) -> None:
    """What would write a release down without releasing anything is no method here."""
    guest.attest()
    before = row_counts()
    assert guest.client.head(f"/kbs/v0/resource/{PATH}").status_code == 405
    assert row_counts() == before


# --- what is served ----------------------------------------------------------------------------


def test_the_challenge_is_as_stock_guests_expect(guest: RawGuest) -> None:
    """A 32-byte nonce in base64, empty extra parameters, and a cookie with every attribute."""
    response = guest.challenge()
    assert len(b64_decode(response.json["nonce"])) == 32
    assert response.json["extra-params"] == ""
    cookie = response.headers["Set-Cookie"]
    for attribute in ("kbs-session-id=", "Expires=", "HttpOnly", "SameSite=Strict", "Path=/kbs/v0"):
        assert attribute in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_under_tls(guest: RawGuest) -> None:
    """Over TLS the cookie does not travel without it."""
    body = {"version": "0.4.0", "tee": "sample", "extra-params": {}}
    response = guest.client.post("/kbs/v0/auth", json=body, base_url="https://kbs.example")
    assert "Secure" in response.headers["Set-Cookie"]


def test_a_guest_gets_its_secret(affirming: None, guest: RawGuest) -> None:
    """Challenge, attestation, resource: and only this guest's key opens the answer."""
    attested = guest.attest()
    assert attested.status_code == 200
    response = guest.resource()
    assert response.status_code == 200
    assert guest.open(response.json) == SECRET
    assert len(response.headers["Vouchgate-Decision"]) == 32


def test_the_token_works_as_a_bearer_token(affirming: None, guest: RawGuest, app: Flask) -> None:
    """The token of the handshake is a passport too, from any other connection."""
    token = guest.attest().json["token"]
    elsewhere = RawGuest(app.test_client(), guest.private)
    assert guest.open(elsewhere.resource(token=token).json) == SECRET


def test_challenges_write_nothing(
    guest: RawGuest, row_counts: Callable[[], dict[str, int]]
) -> None:
    """A flood of challenges leaves no row anywhere (wire.md 14.1, 4)."""
    before = row_counts()
    for _ in range(20):
        assert guest.challenge().status_code == 200
        assert guest.as_nonce()
    assert row_counts() == before


def test_of_two_concurrent_uses_of_a_nonce_one_loses(app: Flask, affirming: None) -> None:
    """However many attest at once with one nonce and different keys, one gets a token."""
    first = RawGuest(app.test_client())
    challenge = first.challenge()
    cookie = challenge.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]

    def attest(_: int) -> int:
        rival = RawGuest(app.test_client())
        rival.client.set_cookie("kbs-session-id", cookie, path="/kbs/v0")
        return int(rival.attest(challenge.json["nonce"]).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(attest, range(6)))
    assert statuses == [200, 401, 401, 401, 401, 401]


def test_decisions_are_recorded_either_way(
    affirming: None, guest: RawGuest, owner: dict[str, str]
) -> None:
    """Allowed and denied, appraisal and release, each leaves its record under the id it told."""
    denied = guest.attest(report_data="").headers["Vouchgate-Decision"]
    allowed = guest.attest().headers["Vouchgate-Decision"]
    released = guest.resource().headers["Vouchgate-Decision"]
    listed = guest.client.get("/api/v1/decisions", headers=owner).json
    assert [record["decision_id"] for record in listed] == [released, allowed, denied]
    assert [record["outcome"] for record in listed] == ["allowed", "allowed", "denied"]
    assert listed[0]["subject"] == f"resource/{PATH}"
    assert listed[2]["reason"] == "binding-mismatch"


def test_decisions_replay(affirming: None, guest: RawGuest, owner: dict[str, str]) -> None:
    """Replaying what was recorded gives the same outcome."""
    ids = [guest.attest().headers["Vouchgate-Decision"]]
    ids.append(guest.resource().headers["Vouchgate-Decision"])
    ids.append(guest.resource("default/demo/none").headers["Vouchgate-Decision"])
    for decision_id in ids:
        replayed = guest.client.post(f"/api/v1/decisions/{decision_id}/replay", headers=owner)
        assert replayed.json["same"], replayed.json
