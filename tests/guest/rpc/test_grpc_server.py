"""The services over gRPC, asked by Google's client with messages of Google's codec."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from protos import message

from guest.errors import DeniedError, ListenError
from guest.rpc.grpc_server import GRPCServer
from guest.rpc.hub_service import RESOURCE_SERVICE, HubService
from guest.rpc.protobuf import MAX_MESSAGE_BYTES


def fetch(uri: str) -> bytes:
    """One resource, or a refusal."""
    if uri != "kbs:///a/b/c":
        raise DeniedError("details of the server", status=403)
    return b"\x00the secret"


@pytest.fixture(scope="module")
def server() -> Iterator[GRPCServer]:
    """A hub."""
    served = GRPCServer(("127.0.0.1", 0), HubService(fetch, str.encode, bytes.upper).services())
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    thread.join(10)
    assert not thread.is_alive()


def call(server: GRPCServer, method: str, request: bytes) -> bytes:
    """The response to a call."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        answer: bytes = channel.unary_unary(method)(request, timeout=20)
        return answer


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::"])
def test_never_listens_off_loopback(host: str) -> None:
    """Also when it was not built from settings, which refuse it first."""
    with pytest.raises(ListenError, match="loopback"):
        GRPCServer((host, 0), {})


def test_says_when_an_address_is_taken(server: GRPCServer) -> None:
    """As a typed error."""
    with pytest.raises(ListenError):
        GRPCServer(("127.0.0.1", server.port), {})


@pytest.mark.parametrize(
    ("method", "request_bytes", "code"),
    [
        (f"/{RESOURCE_SERVICE}/GetResources", b"", grpc.StatusCode.UNIMPLEMENTED),
        ("/api.SecureMountService/SecureMounts", b"", grpc.StatusCode.UNIMPLEMENTED),
        ("/api.SecureMountService/SecureMount", b"", grpc.StatusCode.INTERNAL),
        ("/api.ImagePullService/PullImage", b"", grpc.StatusCode.UNIMPLEMENTED),
        (f"/{RESOURCE_SERVICE}/GetResource", b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (
            f"/{RESOURCE_SERVICE}/GetResource",
            bytes(MAX_MESSAGE_BYTES + 1),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        ),
        (f"/{RESOURCE_SERVICE}/GetResource", b"\x0a\x01x", grpc.StatusCode.INTERNAL),
    ],
)
def test_refuses(server: GRPCServer, method: str, request_bytes: bytes, code: Any) -> None:
    """With a status, and without details."""
    with pytest.raises(grpc.RpcError) as caught:
        call(server, method, request_bytes)
    error: Any = caught.value
    assert error.code() == code
    assert "details of" not in error.details()


def test_answers(server: GRPCServer) -> None:
    """In messages that Google's codec reads."""
    asked = message("api.GetResourceRequest")(ResourcePath="kbs:///a/b/c")
    answer = call(server, f"/{RESOURCE_SERVICE}/GetResource", asked.SerializeToString())
    assert message("api.GetResourceResponse").FromString(answer).Resource == b"\x00the secret"
