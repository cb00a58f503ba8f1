"""The services, without a protocol that carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from protos import message

from guest.aa.operations import MeasurementResult
from guest.errors import DeniedError, GuestError
from guest.mounts.requests import MountRequest
from guest.rpc.agent_service import AGENT_SERVICE, AgentService
from guest.rpc.hub_service import HubService, mount_message
from guest.rpc.protobuf import Fields, octets_field, optional_number_field, text_field
from guest.rpc.services import Code, StatusError, find_method


@dataclass
class FakeOperations:
    """Answers what it was asked, and keeps events."""

    refusal: GuestError | None = None
    events: list[Any] = field(default_factory=list)

    def get_evidence(self, runtime_data: bytes) -> bytes:
        """Or a refusal."""
        if self.refusal is not None:
            raise self.refusal
        return b"evidence of " + runtime_data

    def get_additional_evidence(self, runtime_data: bytes) -> bytes:
        """No devices."""
        return b""

    def get_token(self, kind: str) -> bytes:
        """The same for both."""
        return f"token of {kind}".encode()

    def get_tee_type(self) -> str:
        """A genuine one."""
        return "tdx"

    def get_additional_tees(self) -> list[str]:
        """Two devices."""
        return ["nvidia", "tpm"]

    def bind_init_data(self, digest: bytes) -> bool:
        """It agreed."""
        return True

    def extend_runtime_measurement(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> MeasurementResult:
        """Written down."""
        self.events.append((domain, operation, content, register))
        return MeasurementResult.NOT_ENABLED


def call(services: Any, service: str, name: str, request: bytes = b"") -> Fields:
    """The response to a call."""
    return Fields(find_method(services, service, name).call(request))


def agent(operations: FakeOperations, *, may_have_key: bool = True) -> Any:
    """Services of an Attestation Agent."""
    return AgentService(operations, callers_may_have_key=may_have_key).services()


@pytest.mark.parametrize(("service", "name"), [("x.Y", "Z"), (AGENT_SERVICE, "getToken"), ("", "")])
def test_unknown_methods_are_told(service: str, name: str) -> None:
    """In the words of stock servers."""
    with pytest.raises(StatusError, match="is not supported") as caught:
        find_method(agent(FakeOperations()), service, name)
    assert caught.value.code == Code.NOT_FOUND


def test_a_malformed_request_is_the_callers_fault() -> None:
    """And is told apart from a failure."""
    with pytest.raises(StatusError) as caught:
        call(agent(FakeOperations()), AGENT_SERVICE, "GetEvidence", b"\x0a\x05a")
    assert caught.value.code == Code.INVALID_ARGUMENT


def test_a_failure_tells_its_code_and_no_more() -> None:
    """The details stay in the log of whoever runs the guest."""
    operations = FakeOperations(DeniedError("details of the server", status=403))
    with pytest.raises(StatusError) as caught:
        call(agent(operations), AGENT_SERVICE, "GetEvidence")
    assert caught.value.code == Code.INTERNAL
    assert caught.value.message.endswith("AA-KBC get evidence failed: denied")
    assert "details" not in caught.value.message


def test_the_key_is_for_callers_that_are_known() -> None:
    """A token of the AS has none, and is for all."""
    services = agent(FakeOperations(), may_have_key=False)
    with pytest.raises(StatusError, match="denied"):
        call(services, AGENT_SERVICE, "GetToken", text_field(1, "kbs"))
    bare = call(services, AGENT_SERVICE, "GetToken", text_field(1, "coco_as"))
    assert bare.octets(1) == b"token of coco_as"


@pytest.mark.parametrize("register", [None, 0, 17])
def test_an_event_reaches_the_register_that_was_named(register: int | None) -> None:
    """Register 0 is one, and is not the absence of one."""
    operations = FakeOperations()
    event = text_field(1, "d") + text_field(2, "o") + text_field(3, "c")
    event += optional_number_field(4, register)
    answer = call(agent(operations), AGENT_SERVICE, "ExtendRuntimeMeasurement", event)
    assert answer.number(1) == 2
    assert operations.events == [("d", "o", "c", register)]


def test_answers_of_the_agent() -> None:
    """Each in its field."""
    services = agent(FakeOperations())
    data = octets_field(1, b"\x00\xff")
    assert call(services, AGENT_SERVICE, "GetEvidence", data).octets(1) == b"evidence of \x00\xff"
    assert call(services, AGENT_SERVICE, "GetAdditionalEvidence", data).octets(1) == b""
    assert call(services, AGENT_SERVICE, "GetTeeType").text(1) == "tdx"
    assert call(services, AGENT_SERVICE, "GetAdditionalTees").texts(1) == ["nvidia", "tpm"]
    assert (
        call(services, AGENT_SERVICE, "BindInitData", octets_field(1, bytes(32))).octets(1) == b""
    )


def test_answers_of_the_hub() -> None:
    """Each in its field; wrapping is for those who encrypt, and not for guests."""
    services = HubService(str.encode, lambda text: text.upper().encode(), bytes.upper).services()
    uri = text_field(1, "kbs:///a/b/c")
    assert call(services, "api.GetResourceService", "GetResource", uri).octets(1) == b"kbs:///a/b/c"
    sealed = text_field(1, "sealed.x")
    assert (
        call(services, "api.SealedSecretService", "UnsealSecret", sealed).octets(1) == b"SEALED.X"
    )
    unwrap = call(services, "keyprovider.KeyProviderService", "UnWrapKey", octets_field(1, b"ab"))
    assert unwrap.octets(1) == b"AB"
    with pytest.raises(StatusError):
        find_method(services, "keyprovider.KeyProviderService", "WrapKey")


def test_pulling_says_what_to_do_instead() -> None:
    """As a method that is not implemented, and not as a failure of it."""
    services = HubService(str.encode, str.encode, bytes.upper).services()
    with pytest.raises(StatusError, match="UnWrapKey") as caught:
        call(services, "api.ImagePullService", "PullImage", text_field(1, "registry/image"))
    assert caught.value.code == Code.UNIMPLEMENTED


def mounting(asked: list[MountRequest]) -> Any:
    """Services of a hub that mounts, and writes down what."""
    return HubService(str.encode, str.encode, bytes.upper, asked.append).services()


MOUNT = ("api.SecureMountService", "SecureMount")
REQUEST = MountRequest("block-device", {"deviceId": "8:32", "key": "kbs:///a/b/c"}, "/run/vol")


def test_mounting_has_to_be_enabled() -> None:
    """Whoever may have volumes mounted may have disks formatted."""
    services = HubService(str.encode, str.encode, bytes.upper).services()
    with pytest.raises(StatusError, match="Secure Mount failed: secure-mount-not-enabled"):
        call(services, *MOUNT, mount_message(REQUEST))


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (octets_field(2, b"\xff"), Code.INVALID_ARGUMENT),
        (mount_message(REQUEST) + octets_field(2, text_field(1, "key")), Code.INVALID_ARGUMENT),
        (mount_message(REQUEST) + text_field(3, "ro"), Code.INTERNAL),
        (mount_message(REQUEST) + text_field(4, "../etc"), Code.INTERNAL),
    ],
)
def test_a_malformed_request_mounts_nothing(written: bytes, code: Code) -> None:
    """An option that is there twice, a flag, a path that is none."""
    asked: list[MountRequest] = []
    with pytest.raises(StatusError) as caught:
        call(mounting(asked), *MOUNT, written)
    assert (caught.value.code, asked) == (code, [])


def test_a_request_to_mount_arrives_as_google_writes_it() -> None:
    """Options are a map; the answer is an empty message."""
    asked: list[MountRequest] = []
    written = message("api.SecureMountRequest")(
        volume_type=REQUEST.volume_type, options=REQUEST.options, mount_point=REQUEST.mount_point
    ).SerializeToString()
    find_method(mounting(asked), *MOUNT).call(written)
    find_method(mounting(asked), *MOUNT).call(mount_message(REQUEST))
    assert asked == [REQUEST, REQUEST]
