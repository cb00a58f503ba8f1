"""The guest looked at from within."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_settings
from emulated_tsm import EmulatedTSM

from guest.clock import SystemClock
from guest.doctor import FAILED, OK, SKIPPED, Finding, examine, exit_code
from guest.settings import Settings, parse_settings
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key
from guest.wiring import Outside

LATER = 4102444800
URI = "kbs:///app/db/password"
INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'


class ShiftedClock(SystemClock):
    """The machine's clock, set wrong."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> Any:
        """The wrong time."""
        return super().now() + self.by


class Servers:
    """An AS and a KBS in one, which refuse what they are told to refuse."""

    def __init__(self, answer: Any, jwt: Any) -> None:
        self.answer, self.token = answer, jwt(exp=LATER)
        self.refusals: dict[str, Any] = {}
        self.key: Any = None

    def __call__(self, call: Any) -> Any:
        """The answer to a call."""
        kind = {"Content-Type": "application/json", "Set-Cookie": "kbs-session-id=s"}
        if call.path in self.refusals:
            return self.refusals[call.path]
        if call.path == "/kbs/v0/auth":
            return self.answer(200, kind, b'{"nonce":"bm9uY2U=","extra-params":""}')
        if call.path == "/kbs/v0/attest":
            self.key = json.loads(call.body)["runtime-data"]["tee-pubkey"]
            return self.answer(200, kind, json.dumps({"token": self.token}).encode())
        if call.path.startswith("/kbs/v0/resource/"):
            sealed = seal(b"the password", parse_tee_public_key(self.key))
            return self.answer(200, kind, json.dumps(sealed).encode())
        return self.answer(404, {}, b"")


@pytest.fixture
def servers(answer: Any, jwt: Any) -> Servers:
    """What the servers say."""
    return Servers(answer, jwt)


@pytest.fixture
def url(serve: Any, servers: Servers) -> str:
    """Where they listen."""
    return str(serve(servers).url)


def configured(url: str, **members: Any) -> Settings:
    """Settings with the sample TEE and one server."""
    services = {"token_configs": {"kbs": {"url": url}}} if url else {}
    return parse_settings({"insecure_sample": True, **services, **members})


def found(settings: Settings, outside: Any = None, uri: str | None = None) -> dict[str, Finding]:
    """Findings by the name of their check."""
    findings = list(examine(settings, outside or Outside(), uri))
    named = {finding.check: finding for finding in findings}
    assert len(named) == len(findings)
    return named


def test_finds_no_tee(url: str, tmp_path: Path) -> None:
    """And goes on to the servers; the first failure is the exit code."""
    nowhere = bare_settings(tmp_path / "none")
    findings = found(configured(url, insecure_sample=False, devices=nowhere))
    assert findings["tee"].state == FAILED
    assert "--insecure-sample" in findings["tee"].detail
    assert findings["kbs"].state == OK
    assert findings["token"].state == FAILED
    assert exit_code(list(findings.values())) == 10


def test_finds_no_server() -> None:
    """Neither configured nor there."""
    findings = found(configured(""))
    assert (findings["servers"].state, exit_code(list(findings.values()))) == (FAILED, 2)
    findings = found(configured("http://127.0.0.1:1"))
    assert findings["token"].state == SKIPPED
    assert exit_code(list(findings.values())) == 20


@pytest.mark.parametrize(
    ("seconds", "state", "word"),
    [(-3600, FAILED, "behind"), (90, FAILED, "ahead of"), (10, OK, "against")],
)
def test_finds_a_wrong_clock(url: str, seconds: int, state: str, word: str) -> None:
    """By the server's, in both directions."""
    findings = found(configured(url), Outside(ShiftedClock(timedelta(seconds=seconds))))
    assert (findings["kbs"].state, findings["kbs-clock"].state) == (OK, state)
    assert word in findings["kbs-clock"].detail
    if state == FAILED:
        assert findings["kbs-clock"].as_json()["code"] == "clock-wrong"
        assert exit_code(list(findings.values())) == 4


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Feb 2026 00:00:00 GMT"])
def test_a_server_without_a_clock_is_no_fault(
    date: str, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """It is said, and nothing is concluded from it."""
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda *_: date)
    assert found(configured(url))["kbs-clock"].state == SKIPPED


def test_tells_what_is_refused_and_why(servers: Servers, url: str, answer: Any) -> None:
    """Evidence first, a resource then, with the server's reason."""
    no = answer(403, {"Vouchgate-Reason": "policy-says-no"}, b'{"detail":"no"}')
    servers.refusals[f"/kbs/v0/resource/{URI.removeprefix('kbs:///')}"] = no
    findings = found(configured(url), uri=URI)
    assert findings["token"].state == OK
    assert findings["resource"].as_json() == {
        "check": "resource",
        "state": FAILED,
        "detail": "the server answered 403: no",
        "code": "denied",
        "reason": "policy-says-no",
    }
    assert exit_code(list(findings.values())) == 32
    servers.refusals["/kbs/v0/attest"] = answer(401, {}, b'{"detail":"no"}')
    findings = found(configured(url), uri=URI)
    assert findings["token"].state == FAILED
    assert "resource" not in findings
    assert exit_code(list(findings.values())) == 31


def test_finds_a_missing_as(url: str) -> None:
    """Which the passport model needs."""
    findings = found(configured(url, model="passport"))
    assert "token_configs.coco_as.url" in findings["token"].detail


def test_finds_other_init_data(url: str, tmp_path: Path) -> None:
    """With the hardware that holds another digest."""
    report = b"\3" + bytes(1183)
    path = tmp_path / "init.toml"
    path.write_text(INIT_DATA)
    devices = {"tsm_report": str(tmp_path), "sev_guest": str(tmp_path), "tdx_guest": "/nonexistent"}
    settings = configured(
        url, insecure_sample=False, tee="snp", init_data_file=str(path), devices=devices
    )
    findings = found(settings, Outside(files=EmulatedTSM("sev_guest", lambda _: report)))
    assert f"sev_guest ({tmp_path})" in findings["devices"].detail
    assert (findings["tee"].state, findings["evidence"].state) == (OK, OK)
    assert findings["init-data"].as_json()["code"] == "init-data-mismatch"


def test_finds_a_healthy_guest(url: str, tmp_path: Path) -> None:
    """The plaintext is not shown; that the sample TEE proves nothing is."""
    path = tmp_path / "init.toml"
    path.write_text(INIT_DATA)
    findings = found(configured(url, init_data_file=str(path)), uri=URI)
    skipped = {name for name, finding in findings.items() if finding.state != OK}
    assert skipped == {"event-log", "volumes"}
    assert exit_code(list(findings.values())) == 0
    assert "proves nothing" in findings["tee"].detail
    assert findings["resource"].detail == "is released, 12 bytes"
    assert "password" not in "".join(map(str, findings.values()))


def test_each_server_is_asked_once(url: str, serve: Any, servers: Servers) -> None:
    """Tokens of one KBS and resources of another are two."""
    other = serve(servers).url
    assert {"kbs", "kbs-tokens"} <= found(configured(url, kbc={"url": other})).keys()
    assert "kbs-tokens" not in found(configured(url))


def test_says_which_kms_drivers_are_usable(url: str) -> None:
    """Those whose libraries are installed; here that is all of them."""
    finding = found(configured(url))["kms-drivers"]
    assert finding.state == OK
    assert {"aws", "kbs"} <= set(finding.detail.split(", "))


def test_volumes_are_looked_at_when_they_may_be_mounted(url: str) -> None:
    """By the programs that disks need."""
    assert found(configured(url))["volumes"].state == SKIPPED
    finding = found(configured(url, rpc={"secure_mount": True}))["volumes"]
    assert finding.state == OK
    assert "cryptsetup" in finding.detail


def test_each_credential_is_tried(url: str, servers: Servers, answer: Any, tmp_path: Path) -> None:
    """And not written; one that is refused is told by its file's name."""
    asked = [
        {"path": f"{tmp_path}/aws/one.json", "resource_uri": "kbs:///a/b/one"},
        {"path": f"{tmp_path}/aws/two.json", "resource_uri": "kbs:///a/b/two"},
    ]
    servers.refusals["/kbs/v0/resource/a/b/two"] = answer(404, {}, b"")
    settings = configured(url, credentials_folder=str(tmp_path), credentials=asked)
    findings = found(settings)
    states = [findings[f"credential {name}.json"].state for name in ("one", "two")]
    assert states == [OK, FAILED]
    assert not (tmp_path / "aws").exists()
