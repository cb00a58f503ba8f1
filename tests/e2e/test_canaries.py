"""Nothing secret leaks: canaries are planted everywhere, and everything is searched for them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import urllib3
from processes import free_port, running, vouchgate
from raw_guest import attestation_body, new_key, public_key
from servers import SAMPLE_VALUES, AdminKey, settings_table
from toml_files import write_toml

from guest.wire.encoding import b64_encode, b64url_encode
from guest.wire.runtime_data import runtime_data, runtime_data_digest

SECRET = b"canary-secret-5fd1e0"


def test_no_canary_leaves_its_place(tmp_path: Path) -> None:
    """Secret, tokens, session, nonces and passwords are in no log, record, metric or error."""
    admin = AdminKey.make(tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    table = settings_table(tmp_path, server={"bind": [f"127.0.0.1:{port}"], "workers": 1})
    config = write_toml(tmp_path / "vouchgate.toml", table)
    log = tmp_path / "log"
    with running(vouchgate("serve", "--config", str(config)), url, log):
        canaries, answers = exercise(url, admin)
    places = {
        "the log": log.read_text(errors="replace"),
        "the refusals": "\n".join(answers["refusals"]),
        "the metrics": answers["metrics"],
        "the decisions": answers["decisions"],
        "the audit log": answers["audit"],
        "the database": dump(tmp_path / "vouchgate.db"),
    }
    assert "request refused" in places["the log"], "an empty log proves nothing"
    for place, text in places.items():
        for name, canary in canaries.items():
            assert canary not in text, f"{name} is in {place}"


def exercise(url: str, admin: AdminKey) -> tuple[dict[str, str], dict]:
    """Do everything once right and once wrong; what must stay hidden, and what was answered."""
    http = urllib3.PoolManager(retries=False, timeout=30)
    operator = {"Authorization": f"Bearer {admin.token()}"}
    refusals: list[str] = []

    def call(method: str, path: str, **arguments: object) -> urllib3.BaseHTTPResponse:
        reply = http.request(method, url + path, **arguments)
        if reply.status >= 400:
            refusals.append(reply.data.decode() + str(dict(reply.headers)))
        return reply

    call("POST", "/kbs/v0/resource/default/demo/secret", body=SECRET, headers=operator)
    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    call("POST", "/kbs/v0/reference-value", json=message, headers=operator)

    private = new_key()
    key = public_key(private)
    begun = call(
        "POST", "/kbs/v0/auth", json={"version": "0.4.0", "tee": "sample", "extra-params": {}}
    )
    nonce = begun.json()["nonce"]
    cookie = begun.headers["Set-Cookie"].partition(";")[0]
    with_cookie = {"Cookie": cookie}
    body = attestation_body(nonce, key)
    wrong = attestation_body(nonce, key, report_data="")
    call("POST", "/kbs/v0/attest", json=wrong, headers=with_cookie)
    token = call("POST", "/kbs/v0/attest", json=body, headers=with_cookie).json()["token"]
    other = attestation_body(nonce, public_key(new_key()))
    call("POST", "/kbs/v0/attest", json=other, headers=with_cookie)
    call("GET", "/kbs/v0/resource/default/demo/secret", headers=with_cookie)
    call("GET", "/kbs/v0/resource/default/demo/none", headers=with_cookie)

    as_nonce = call("POST", "/challenge", json={"tee": "sample", "tee_params": ""}).data.decode()
    passport = call("POST", "/attestation", json=evaluation(as_nonce, key)).data.decode()
    call("POST", "/attestation", json=evaluation(as_nonce, key))
    bearer = {"Authorization": f"Bearer {passport}"}
    call("GET", "/kbs/v0/resource/default/demo/secret", headers=bearer)
    broken = {"Authorization": f"Bearer {passport[:-4]}AAAA"}
    call("GET", "/kbs/v0/resource/default/demo/secret", headers=broken)
    call("GET", "/api/v1/decisions", headers=bearer)

    ids = [
        each["decision_id"] for each in call("GET", "/api/v1/decisions", headers=operator).json()
    ]
    decisions = [call("GET", f"/api/v1/decisions/{each}", headers=operator).data for each in ids]
    answers = {
        "refusals": refusals,
        "metrics": call("GET", "/metrics", headers=operator).data.decode(),
        "decisions": "\n".join(each.decode() for each in decisions),
        "audit": call("GET", "/api/v1/audit", headers=operator).data.decode(),
    }
    assert len(refusals) >= 5
    assert len(ids) >= 6
    canaries = {
        "the secret": SECRET.decode(),
        "the secret in base64": b64_encode(SECRET).rstrip("="),
        "the nonce of the KBS": nonce,
        "the nonce of the AS": as_nonce,
        "the session": cookie.partition("=")[2],
        "the token of the handshake": token,
        "its signature": token.rpartition(".")[2],
        "the passport": passport,
        "the passport's signature": passport.rpartition(".")[2],
        "the operator's token": operator["Authorization"].removeprefix("Bearer "),
        "the TEE's private key": f"{private.private_numbers().private_value:x}",
    }
    return canaries, answers


def evaluation(nonce: str, key: dict[str, str]) -> dict[str, object]:
    """The body of POST /attestation."""
    structured = runtime_data(nonce, key, "")
    evidence = {"svn": "1", "report_data": b64_encode(runtime_data_digest(structured))}
    return {
        "verification_requests": [
            {
                "tee": "sample",
                "evidence": b64url_encode(json.dumps(evidence).encode()),
                "runtime_data": {"structured": structured},
            }
        ],
        "policy_ids": [],
    }


def dump(path: Path) -> str:
    """Every row of every table, and the raw bytes of every file of the database."""
    with sqlite3.connect(path) as database:
        rows = "\n".join(database.iterdump())
    raw = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
    return rows + raw.decode("latin-1")
