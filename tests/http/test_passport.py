"""The passport model over HTTP: the AS's nonce, its token, and a KBS that believes it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from raw_guest import SECRET, RawGuest

from guest.wire.encoding import b64_encode, b64url_decode, b64url_encode


def reason(response: Any) -> tuple[int, str]:
    """Status and reason code."""
    return response.status_code, response.json["code"]


def payload(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    claims: dict[str, Any] = json.loads(b64url_decode(token.split(".", 2)[1]))
    return claims


def header(token: str) -> dict[str, Any]:
    """The header of a token, unverified."""
    parsed: dict[str, Any] = json.loads(b64url_decode(token.split(".", 1)[0]))
    return parsed


def test_a_nonce_of_someone_else_is_refused(guest: RawGuest) -> None:
    """The AS vouches for the freshness of its own nonces only."""
    assert reason(guest.passport(b64_encode(b"x" * 32))) == (401, "nonce-unknown")


def test_a_changed_nonce_is_refused(guest: RawGuest) -> None:
    """Every character of a nonce is authenticated."""
    nonce = guest.as_nonce()
    changed = ("A" if nonce[10] != "A" else "B").join((nonce[:10], nonce[11:]))
    assert reason(guest.passport(changed)) == (401, "nonce-unknown")


def test_a_nonce_vouches_once(guest: RawGuest) -> None:
    """The second use of a nonce is refused, even by the same guest."""
    nonce = guest.as_nonce()
    assert guest.passport(nonce).status_code == 200
    assert reason(guest.passport(nonce)) == (401, "nonce-used")


def test_of_two_concurrent_uses_exactly_one_gets_a_token(app: Flask, guest: RawGuest) -> None:
    """The race for a nonce has one winner."""
    nonce = guest.as_nonce()

    def attest(_: int) -> int:
        return int(RawGuest(app.test_client()).passport(nonce).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(attest, range(6)))
    assert statuses == [200, 401, 401, 401, 401, 401]


def test_a_request_without_a_nonce_is_refused(guest: RawGuest) -> None:
    """Upstream's nonceless request gets no token unless settings say so."""
    response = guest.client.post("/attestation", json=guest.evaluation(None))
    assert reason(response) == (401, "nonce-missing")


def test_other_evidence_is_refused(guest: RawGuest) -> None:
    """Evidence that is not bound to the nonce and the key is not fresh and not theirs."""
    response = guest.passport(report_data=b64_encode(b"\0" * 48))
    assert reason(response) == (422, "binding-mismatch")
    assert response.content_type == "application/problem+json"
    assert response.json["decision"] == response.headers["Vouchgate-Decision"]


def test_the_challenge_speaks_json_and_text(guest: RawGuest) -> None:
    """JSON for those who ask for it, the bare nonce for upstream's clients."""
    body = {"tee": "sample", "tee_params": ""}
    text = guest.client.post("/challenge", json=body)
    assert text.content_type.startswith("text/plain")
    as_json = guest.client.post("/challenge", json=body, headers={"Accept": "application/json"})
    assert set(as_json.json) == {"nonce", "extra-params", "expires_at"}


def test_the_token_is_complete(guest: RawGuest) -> None:
    """Every claim that a KBS or a policy reads is there."""
    nonce = guest.as_nonce()
    response = guest.passport(nonce)
    claims = payload(response.text)
    assert claims["eat_nonce"] == nonce
    assert claims["nbf"] <= claims["iat"] <= time.time() < claims["exp"]
    assert claims["iss"] == "http://127.0.0.1:8080"
    assert claims["jti"]
    evidence = claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    assert evidence["runtime_data_claims"]["tee-pubkey"] == guest.key
    assert claims["ear.vouchgate.freshness"] == "nonce"


def test_the_key_set_holds_the_key_of_the_token(guest: RawGuest) -> None:
    """The kid of a token is found in the published key set."""
    token = guest.passport().text
    keys = guest.client.get("/.well-known/jwks.json").json["keys"]
    assert header(token)["kid"] in {key["kid"] for key in keys}
    assert all("d" not in key for key in keys)
    assert header(token)["jwk"]["x5c"]


def test_discovery_leads_to_the_key_set(guest: RawGuest) -> None:
    """The issuer of the tokens publishes where its keys are."""
    document = guest.client.get("/.well-known/openid-configuration").json
    assert document["issuer"] == payload(guest.passport().text)["iss"]
    assert document["jwks_uri"].endswith("/.well-known/jwks.json")


def test_the_token_opens_the_kbs(affirming: None, guest: RawGuest) -> None:
    """A KBS that the guest never attested to releases the secret, sealed to the guest's key."""
    token = guest.passport().text
    assert guest.open(guest.resource(token=token).json) == SECRET


def test_a_stolen_token_fetches_what_the_thief_cannot_open(
    affirming: None, guest: RawGuest, app: Flask
) -> None:
    """The answer is sealed to the key of the TEE that attested."""
    token = guest.passport().text
    thief = RawGuest(app.test_client())
    sealed = thief.resource(token=token).json
    with pytest.raises(ValueError, match=r".+"):
        thief.open(sealed)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_token_is_refused(affirming: None, guest: RawGuest, position: int) -> None:
    """No part of a token can change."""
    parts = guest.passport().text.split(".")
    raw = bytearray(b64url_decode(parts[position]))
    raw[len(raw) // 2] ^= 1
    parts[position] = b64url_encode(bytes(raw))
    response = guest.resource(token=".".join(parts))
    assert response.status_code in {400, 401}


def test_rotation_keeps_old_tokens_good(
    affirming: None, guest: RawGuest, owner: dict[str, str]
) -> None:
    """After a rotation a new key signs, and yesterday's token still verifies."""
    old = guest.passport().text
    assert guest.client.post("/api/v1/keys/rotate", headers=owner).status_code == 200
    new = guest.passport().text
    assert header(old)["kid"] != header(new)["kid"]
    assert guest.open(guest.resource(token=old).json) == SECRET
    assert guest.open(guest.resource(token=new).json) == SECRET
