"""The routes of the loopback API, without a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from guest.aa.tokens import TEEToken
from guest.errors import DeniedError, DeviceError, GuestError, NotFoundError, ResourceURIError
from guest.kbs.tee_keys import TEEKeyPair
from guest.rest.api import API
from guest.rest.messages import Request, Response
from guest.wire.encoding import b64url_encode


@dataclass
class FakeHub:
    """Has one resource."""

    def get_resource(self, uri: str) -> bytes:
        """That one, or a refusal."""
        if "//" in uri.removeprefix("kbs:///"):
            raise ResourceURIError("a segment is empty")
        if uri != "kbs:///app1/db/password":
            raise NotFoundError("the server answered 404: no such resource", status=404)
        return b"\x00the password"


@dataclass
class FakeAgent:
    """Has one token, or a refusal."""

    held: TEEToken
    refusal: GuestError | None = None

    def get_token(self, kind: str) -> TEEToken:
        """The token, whichever kind is asked for."""
        if self.refusal is not None:
            raise self.refusal
        return self.held


def collect(report_data: bytes) -> Any:
    """Evidence that shows what it binds."""
    return {"bound": report_data.hex()}


@pytest.fixture
def agent(clock: Any) -> FakeAgent:
    """With a token of this hour."""
    held = TEEToken("a.b.c", TEEKeyPair.generate(), clock.now() + timedelta(hours=1))
    return FakeAgent(held)


@pytest.fixture
def api(agent: FakeAgent) -> API:
    """With every feature."""
    return API(FakeHub(), agent, collect, "snp", "1.0", "all")


def ask(api: API, target: str, method: str = "GET") -> Response:
    """The answer to a request."""
    request = Request.parse(method, target)
    assert request is not None
    return api.answer(request)


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/", 404, b"URL NOT FOUND"),
        ("/cdh", 404, b"URL NOT FOUND"),
        ("/aa", 404, b"URL NOT FOUND"),
        ("/aa/tokens?token_type=kbs", 404, b"URL NOT FOUND"),
        ("/info/", 404, b"URL NOT FOUND"),
        ("/cdh/resource/a//b", 400, b"BAD REQUEST"),
        ("/aa/token", 400, b"BAD REQUEST"),
        ("/aa/token?token_type=", 400, b"BAD REQUEST"),
        ("/aa/token?token_type=other", 400, b"BAD REQUEST"),
        ("/aa/evidence", 400, b"BAD REQUEST"),
        ("/aa/evidence?runtime_data=AAAA&encoding=hex", 400, b"BAD REQUEST"),
        ("/aa/evidence?runtime_data=A&encoding=base64", 400, b"BAD REQUEST"),
        ("/aa/evidence?runtime_data=AA%3D%3D&encoding=base64", 400, b"BAD REQUEST"),
        ("/aa/evidence?runtime_data=" + "x" * 65, 400, b"BAD REQUEST"),
        ("/aa/additional-evidence", 400, b"BAD REQUEST"),
    ],
)
def test_refuses(api: API, target: str, status: int, body: bytes) -> None:
    """In upstream's words."""
    answer = ask(api, target)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    ("target", "status"), [("/info", 405), ("/cdh/resource/app1/db/password", 405), ("/aa/x", 404)]
)
@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "PUT"])
def test_refuses_other_methods(api: API, target: str, status: int, method: str) -> None:
    """Reading is all there is."""
    assert ask(api, target, method).status == status


@pytest.mark.parametrize(
    ("features", "target", "body"),
    [
        ("resource", "/aa/token?token_type=kbs", b"Attestation Feature Not Enabled"),
        ("resource", "/aa/evidence?runtime_data=a", b"Attestation Feature Not Enabled"),
        ("attestation", "/cdh/resource/app1/db/password", b"Resource Feature Not Enabled"),
    ],
)
def test_features_are_off_unless_named(
    agent: FakeAgent, features: str, target: str, body: bytes
) -> None:
    """The default names resources only."""
    answer = ask(API(FakeHub(), agent, collect, "snp", "1.0", features), target)
    assert (answer.status, answer.body) == (404, body)
    assert API(FakeHub(), agent, collect, "snp", "1.0").features == "resource"


def test_failures_tell_their_code(api: API, agent: FakeAgent) -> None:
    """With upstream's status, and for programs in a header."""
    missing = ask(api, "/cdh/resource/app1/db/none")
    assert (missing.status, missing.reason) == (500, "not-found")
    assert missing.body == b"not-found: the server answered 404: no such resource"
    agent.refusal = DeniedError("the server answered 403: no", status=403)
    assert ask(api, "/aa/token?token_type=kbs").reason == "denied"


def test_a_failing_device_is_a_failure(agent: FakeAgent) -> None:
    """And no crash of the thread that asked."""

    def broken(report_data: bytes) -> Any:
        raise DeviceError("the device failed")

    answer = ask(API(FakeHub(), agent, broken, "snp", "1.0", "all"), "/aa/evidence?runtime_data=a")
    assert (answer.status, answer.reason) == (500, "device-failed")


def test_answers_resources(api: API) -> None:
    """As they are; the query is dropped, as upstream does."""
    for target in ("/cdh/resource/app1/db/password", "/cdh/resource/app1/db/password?x=y"):
        answer = ask(api, target)
        assert (answer.status, answer.body) == (200, b"\x00the password")
        assert answer.content_type == "application/octet-stream"


def test_keeps_the_tee_key(api: API, agent: FakeAgent) -> None:
    """Unless settings say, in so many words, that anyone may have it."""
    answer = ask(api, "/aa/token?token_type=kbs")
    assert json.loads(answer.body) == {"token": "a.b.c"}
    assert b"PRIVATE" not in answer.body
    insecure = API(FakeHub(), agent, collect, "snp", "1.0", "all", insecure_expose_tee_key=True)
    members = json.loads(ask(insecure, "/aa/token?token_type=kbs").body)
    assert members == {"token": "a.b.c", "tee_keypair": agent.held.key_pair.to_pem()}


@pytest.mark.parametrize("expose", [False, True])
def test_an_as_token_comes_bare(agent: FakeAgent, expose: bool) -> None:
    """As the AS gave it, never with a key."""
    api = API(FakeHub(), agent, collect, "snp", "1.0", "all", insecure_expose_tee_key=expose)
    assert ask(api, "/aa/token?token_type=coco_as").body == b"a.b.c"


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        ("runtime_data=abc", b"abc"),
        ("runtime_data=%C3%BC", "ü".encode()),
        ("runtime_data=", b""),
        (f"runtime_data={b64url_encode(bytes(64))}&encoding=base64", bytes(64)),
    ],
)
def test_answers_evidence(api: API, query: str, bound: bytes) -> None:
    """Over the text's bytes, or those it encodes."""
    answer = ask(api, f"/aa/evidence?{query}")
    assert json.loads(answer.body) == {"bound": bound.hex()}
    assert ask(api, f"/aa/additional-evidence?{query}").body == b""
    beside = replace(api, collect_devices=bytes.hex)
    assert ask(beside, f"/aa/additional-evidence?{query}").body == bound.hex().encode()


def test_answers_information(api: API) -> None:
    """Which TEE this is; nothing is attested for it."""
    members = json.loads(ask(api, "/info").body)
    assert members["version"].startswith("Guest Components Version: ")
    assert (members["tee"], members["feature"]) == ("snp", "all")
