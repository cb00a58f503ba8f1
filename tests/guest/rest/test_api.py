"""The routes of the loopback API, without a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from guest.aa.operations import MeasurementResult
from guest.errors import DeniedError, DeviceError, GuestError, NotFoundError, ResourceURIError
from guest.rest.api import API
from guest.rest.messages import Request, Response
from guest.wire.encoding import b64url_encode

WITH_KEY = {"token": "a.b.c", "tee_keypair": "-----BEGIN PRIVATE KEY-----"}


def get_resource(uri: str) -> bytes:
    """One resource, or a refusal."""
    if "//" in uri.removeprefix("kbs:///"):
        raise ResourceURIError("a segment is empty")
    if uri != "kbs:///app1/db/password":
        raise NotFoundError("the server answered 404: no such resource", status=404)
    return b"\x00the password"


@dataclass
class FakeOperations:
    """Has one token, or a refusal; evidence shows what it binds."""

    refusal: GuestError | None = None
    beside: list[str] = field(default_factory=list)
    outcome: MeasurementResult = MeasurementResult.OK
    events: list[tuple[str, ...]] = field(default_factory=list)

    def get_token(self, kind: str) -> bytes:
        """As agents answer it."""
        if self.refusal is not None:
            raise self.refusal
        return b"a.b.c" if kind == "coco_as" else json.dumps(WITH_KEY).encode()

    def get_evidence(self, runtime_data: bytes) -> bytes:
        """What it binds."""
        if self.refusal is not None:
            raise self.refusal
        return json.dumps({"bound": runtime_data.hex()}).encode()

    def get_additional_evidence(self, runtime_data: bytes) -> bytes:
        """What it binds, if there is a device."""
        return runtime_data.hex().encode() if self.beside else b""

    def get_tee_type(self) -> str:
        """A genuine one."""
        return "snp"

    def get_additional_tees(self) -> list[str]:
        """The devices."""
        return self.beside

    def bind_init_data(self, digest: bytes) -> bool:
        """Nobody asks for it."""
        raise NotImplementedError

    def extend_runtime_measurement(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> MeasurementResult:
        """Written down."""
        assert register is None
        self.events.append((domain, operation, content))
        return self.outcome


@pytest.fixture
def agent() -> FakeOperations:
    """Without devices."""
    return FakeOperations()


@pytest.fixture
def api(agent: FakeOperations) -> API:
    """With every feature."""
    return API(get_resource, agent, "1.0", "all")


def ask(api: API, target: str, method: str = "GET", body: bytes = b"") -> Response:
    """The answer to a request."""
    request = Request.parse(method, target, body)
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
    agent: FakeOperations, features: str, target: str, body: bytes
) -> None:
    """The default names resources only."""
    answer = ask(API(get_resource, agent, "1.0", features), target)
    assert (answer.status, answer.body) == (404, body)
    assert API(get_resource, agent, "1.0").features == "resource"


def test_failures_tell_their_code(api: API, agent: FakeOperations) -> None:
    """With upstream's status, and for programs in a header."""
    missing = ask(api, "/cdh/resource/app1/db/none")
    assert (missing.status, missing.reason) == (500, "not-found")
    assert missing.body == b"not-found: the server answered 404: no such resource"
    agent.refusal = DeniedError("the server answered 403: no", status=403)
    assert ask(api, "/aa/token?token_type=kbs").reason == "denied"


def test_a_failing_device_is_a_failure(agent: FakeOperations) -> None:
    """And no crash of the thread that asked."""
    agent.refusal = DeviceError("the device failed")
    answer = ask(API(get_resource, agent, "1.0", "all"), "/aa/evidence?runtime_data=a")
    assert (answer.status, answer.reason) == (500, "device-failed")


def test_answers_resources(api: API) -> None:
    """As they are; the query is dropped, as upstream does."""
    for target in ("/cdh/resource/app1/db/password", "/cdh/resource/app1/db/password?x=y"):
        answer = ask(api, target)
        assert (answer.status, answer.body) == (200, b"\x00the password")
        assert answer.content_type == "application/octet-stream"


def test_keeps_the_tee_key(api: API, agent: FakeOperations) -> None:
    """Unless settings say, in so many words, that anyone may have it."""
    answer = ask(api, "/aa/token?token_type=kbs")
    assert json.loads(answer.body) == {"token": "a.b.c"}
    assert b"PRIVATE" not in answer.body
    insecure = API(get_resource, agent, "1.0", "all", insecure_expose_tee_key=True)
    members = json.loads(ask(insecure, "/aa/token?token_type=kbs").body)
    assert members == WITH_KEY


@pytest.mark.parametrize("expose", [False, True])
def test_an_as_token_comes_bare(agent: FakeOperations, expose: bool) -> None:
    """As the AS gave it, never with a key."""
    api = API(get_resource, agent, "1.0", "all", insecure_expose_tee_key=expose)
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
def test_answers_evidence(api: API, agent: FakeOperations, query: str, bound: bytes) -> None:
    """Over the text's bytes, or those it encodes."""
    answer = ask(api, f"/aa/evidence?{query}")
    assert json.loads(answer.body) == {"bound": bound.hex()}
    assert ask(api, f"/aa/additional-evidence?{query}").body == b""
    agent.beside = ["nvidia"]
    assert ask(api, f"/aa/additional-evidence?{query}").body == bound.hex().encode()


EVENT = {"domain": "example.org", "operation": "start", "content": "{}"}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"{}", b'{"domain":"d","operation":"o"}', b'{"domain":1}'],
)
def test_refuses_what_is_no_event(api: API, agent: FakeOperations, body: bytes) -> None:
    """Nothing is measured."""
    assert ask(api, "/aa/aael", "POST", body).status == 400
    assert not agent.events


def test_containers_write_no_events_of_the_guest(api: API, agent: FakeOperations) -> None:
    """Verifiers believe that those are the guest's own."""
    body = json.dumps(EVENT | {"domain": "github.com/confidential-containers"}).encode()
    assert ask(api, "/aa/aael", "POST", body).status == 403
    assert not agent.events


def test_only_posted_events_are_measured(api: API, agent: FakeOperations) -> None:
    """Following a link must change nothing."""
    assert ask(api, "/aa/aael", "GET", json.dumps(EVENT).encode()).status == 404
    assert not agent.events


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        ("OK", {"success": "true"}),
        (
            "NOT_SUPPORTED",
            {"success": "false", "message": "The platform does not support runtime measurement"},
        ),
        (
            "NOT_ENABLED",
            {"success": "false", "message": "Attestation Agent does not enable eventlog recording"},
        ),
    ],
)
def test_measures_events(
    api: API, agent: FakeOperations, outcome: str, answer: dict[str, str]
) -> None:
    """And answers in upstream's words, with its status."""
    agent.outcome = MeasurementResult[outcome]
    measured = ask(api, "/aa/aael", "POST", json.dumps(EVENT).encode())
    assert (measured.status, json.loads(measured.body)) == (200, answer)
    assert agent.events == [("example.org", "start", "{}")]


def test_names_the_devices(api: API, agent: FakeOperations) -> None:
    """If there are any."""
    assert "additional_tees" not in json.loads(ask(api, "/info").body)
    agent.beside = ["nvidia"]
    assert json.loads(ask(api, "/info").body)["additional_tees"] == ["nvidia"]


def test_answers_information(api: API) -> None:
    """Which TEE this is; nothing is attested for it."""
    members = json.loads(ask(api, "/info").body)
    assert members["version"].startswith("Guest Components Version: ")
    assert (members["tee"], members["feature"]) == ("snp", "all")
