"""All servers together: what is opened, and a guest in front of another as of a stock one."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from guest.errors import ConfigError, NotFoundError, PeerError, UnreachableError
from guest.listening import listen_unix
from guest.mounts.requests import MountRequest
from guest.rpc.hub_service import mount_message
from guest.rpc.peers import PeerAgent, PeerHub
from guest.serving import running
from guest.settings import Settings, load_settings, parse_settings
from guest.ttrpc.client import TTRPCClient
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key
from guest.wiring import Outside

LATER = 4102444800
SECRET = b"\x00the secret"


@pytest.fixture
def kbs(serve: Any, answer: Any, jwt: Any) -> Any:
    """A KBS that releases one secret to whoever attested last."""
    keys, kind = [], {"Content-Type": "application/json"}

    def respond(call: Any) -> Any:
        if call.path == "/kbs/v0/auth":
            headers = {**kind, "Set-Cookie": "kbs-session-id=s; Path=/kbs/v0"}
            return answer(200, headers, b'{"nonce":"bm9uY2U=","extra-params":""}')
        if call.path == "/kbs/v0/attest":
            keys.append(json.loads(call.body)["runtime-data"]["tee-pubkey"])
            return answer(200, kind, json.dumps({"token": jwt(exp=LATER)}).encode())
        if call.path != "/kbs/v0/resource/a/b/c":
            return answer(404, kind, b"{}")
        sealed = seal(SECRET, parse_tee_public_key(keys[-1]))
        return answer(200, kind, json.dumps(sealed).encode())

    return serve(respond)


def guest(kbs: Any, **tables: Any) -> Settings:
    """Settings of a guest that attests itself."""
    servers = {"kbs": {"url": kbs.url}}
    return parse_settings({"insecure_sample": True, "token_configs": servers, **tables})


def get(place: str, target: str) -> tuple[int, bytes]:
    """Status and body of an answer of the API."""
    client = http.client.HTTPConnection(place.removeprefix("http://"), timeout=20)
    client.request("GET", target)
    response = client.getresponse()
    try:
        return response.status, response.read()
    finally:
        client.close()


def test_refuses_to_serve_nothing(kbs: Any) -> None:
    """It would look as if it served."""
    with (
        pytest.raises(ConfigError, match="nothing"),
        running(guest(kbs, api={"features": "none"}), Outside()),
    ):
        pass


def test_the_services_of_an_agent_and_a_hub(kbs: Any, tmp_path: Path) -> None:
    """Over ttrpc, one attestation for all of them."""
    sockets = {"agent_socket": f"unix://{tmp_path}/aa.sock", "hub_socket": f"{tmp_path}/cdh.sock"}
    settings = guest(kbs, api={"features": "none"}, rpc=sockets)
    with running(settings, Outside()) as places:
        assert places == [f"ttrpc:{tmp_path}/aa.sock", f"ttrpc:{tmp_path}/cdh.sock"]
        agent = PeerAgent(TTRPCClient(tmp_path / "aa.sock"))
        hub = PeerHub(TTRPCClient(tmp_path / "cdh.sock"))
        assert hub.get_resource("kbs:///a/b/c") == SECRET
        assert set(json.loads(agent.get_token("kbs"))) == {"token", "tee_keypair"}
        assert json.loads(agent.get_evidence(b"abc"))["report_data"] == "YWJj"
        assert (agent.get_tee_type(), agent.get_additional_tees()) == ("sample", [])
        assert agent.extend_runtime_measurement("d", "o", "c").name == "NOT_ENABLED"
        with pytest.raises(PeerError, match="13"):
            hub.get_resource("kbs:///a/b/none")
        with pytest.raises(PeerError):
            hub.unseal_secret("sealed.x")
        agent.client.close()
        hub.client.close()
    assert not list(tmp_path.glob("*.sock"))
    assert [call.path for call in kbs.calls].count("/kbs/v0/attest") == 1


def test_the_api_in_front_of_other_daemons(kbs: Any, tmp_path: Path) -> None:
    """They attest and fetch; this guest has neither a TEE nor a server, and keeps the key."""
    sockets = {"agent_socket": f"{tmp_path}/aa.sock", "hub_socket": f"{tmp_path}/cdh.sock"}
    behind = guest(kbs, api={"features": "none"}, rpc=sockets)
    front = parse_settings({"api": {"bind": "127.0.0.1:0", "features": "all"}, "peers": sockets})
    with running(behind, Outside()), running(front, Outside()) as (place,):
        assert get(place, "/cdh/resource/a/b/c") == (200, SECRET)
        assert get(place, "/cdh/resource/a//c") == (400, b"BAD REQUEST")
        assert get(place, "/cdh/resource/a/b/none")[0] == 500
        assert json.loads(get(place, "/info")[1])["tee"] == "sample"
        assert set(json.loads(get(place, "/aa/token?token_type=kbs")[1])) == {"token"}
        assert get(place, "/aa/evidence?runtime_data=abc")[0] == 200


def test_a_hub_with_the_agent_of_another(kbs: Any, tmp_path: Path) -> None:
    """It keeps the token: stock hubs ask for a new one, and so for an attestation, each time."""
    behind = guest(kbs, api={"features": "none"}, rpc={"agent_socket": f"{tmp_path}/aa.sock"})
    front = parse_settings(
        {
            "api": {"bind": "127.0.0.1:0"},
            "peers": {"agent_socket": f"{tmp_path}/aa.sock"},
            "token_configs": {"kbs": {"url": kbs.url}},
        }
    )
    with running(behind, Outside()), running(front, Outside()) as (place,):
        for _ in range(3):
            assert get(place, "/cdh/resource/a/b/c") == (200, SECRET)
    assert [call.path for call in kbs.calls].count("/kbs/v0/attest") == 1


def test_daemons_that_are_down_are_told(tmp_path: Path) -> None:
    """And nothing else is tried."""
    with pytest.raises(UnreachableError, match="nobody"):
        PeerHub(TTRPCClient(tmp_path / "none")).get_resource("kbs:///a/b/c")


def test_takes_the_sockets_that_systemd_opened(kbs: Any, tmp_path: Path) -> None:
    """By their names, and leaves their files alone."""
    with listen_unix(tmp_path / "hub.sock") as listener:
        descriptor = os.dup(listener.fileno())
        settings = guest(kbs, api={"features": "none"})
        settings = replace(settings, inherited_sockets={"hub": descriptor})
        with running(settings, Outside()):
            client = TTRPCClient(tmp_path / "hub.sock")
            assert PeerHub(client).get_resource("kbs:///a/b/c") == SECRET
            client.close()
        assert (tmp_path / "hub.sock").exists()
        unknown = replace(settings, inherited_sockets={"other": descriptor})
        with pytest.raises(ConfigError, match="FileDescriptorName"), running(unknown, Outside()):
            pass


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"rpc": {"agent_socket": "aa.sock"}}, "rpc.agent_socket"),
        ({"rpc": {"hub_socket": "unix://"}}, "rpc.hub_socket"),
        ({"rpc": {"agent_grpc": "0.0.0.0:50002"}}, "rpc.agent_grpc"),
        ({"rpc": {"hub_grpc": "localhost"}}, "rpc.hub_grpc"),
        ({"rpc": {"allowed_uids": [-1]}}, "rpc.allowed_uids"),
        ({"rpc": {"agent": "x"}}, "rpc.agent"),
        ({"peers": {"hub_socket": 1}}, "peers.hub_socket"),
        ({"peers": {"hub": "x"}}, "peers.hub"),
    ],
)
def test_refuses_settings(members: dict[str, Any], fault: str) -> None:
    """Each by its key."""
    with pytest.raises(ConfigError, match=fault):
        parse_settings(members)


def test_the_environment_says_which_sockets_there_are(tmp_path: Path) -> None:
    """Of this process only."""
    given = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "hub"}
    nowhere = tmp_path / "cmdline"
    assert load_settings(None, {}, given, nowhere).inherited_sockets == {"hub": 3}
    assert load_settings(None, {}, {}, nowhere).inherited_sockets == {}


def credential(folder: Path, name: str, uri: str) -> dict[str, Any]:
    """Settings that ask for one credential."""
    asked = {"path": str(folder / name), "resource_uri": uri}
    return {"credentials_folder": str(folder), "credentials": [asked]}


def test_credentials_are_there_before_anyone_is_served(kbs: Any, tmp_path: Path) -> None:
    """For the drivers of key management services."""
    folder = tmp_path / "kbs"
    settings = guest(
        kbs, api={"bind": "127.0.0.1:0"}, **credential(folder, "aws/c.json", "kbs:///a/b/c")
    )
    with running(settings, Outside()):
        assert (folder / "aws/c.json").read_bytes() == SECRET


def test_a_credential_that_is_missing_stops_the_start(kbs: Any, tmp_path: Path) -> None:
    """With the server's refusal, and nothing served."""
    folder = tmp_path / "kbs"
    settings = guest(kbs, api={"bind": "127.0.0.1:0"}, **credential(folder, "c", "kbs:///a/b/no"))
    with pytest.raises(NotFoundError), running(settings, Outside()):
        pytest.fail("it serves")
    assert not folder.exists()


@pytest.mark.parametrize("enabled", [True, False])
def test_volumes_are_mounted_for_the_socket_when_that_is_enabled(
    kbs: Any, tmp_path: Path, *, enabled: bool
) -> None:
    """With a key that the server releases; gRPC, where nobody is known, mounts none."""
    ran: list[tuple[str, bytes]] = []

    class Programs:
        """Written down."""

        def run(self, name: str, *arguments: str, given: bytes = b"", files: Any = ()) -> str:
            """Nothing is run."""
            ran.append((name, given))
            return ""

    class Disks:
        """One."""

        by_numbers = by_path = staticmethod(lambda place: "/dev/disk")

    options = {"devicePath": "/dev/disk", "sourceType": "empty", "encryptionType": "luks2"}
    options |= {"targetType": "fileSystem", "key": "kbs:///a/b/c", "dataIntegrity": "false"}
    request = MountRequest("block-device", options, str(tmp_path))
    rpc = {"hub_socket": f"{tmp_path}/cdh.sock", "secure_mount": enabled}
    tables: Any = {"api": {"features": "none"}, "volumes_folder": f"{tmp_path}/headers"}
    rpc["hub_grpc"] = "127.0.0.1:0"
    outside = Outside(programs=Programs(), disks=Disks())
    with running(guest(kbs, rpc=rpc, **tables), outside) as places:
        hub = PeerHub(TTRPCClient(tmp_path / "cdh.sock"))
        if enabled:
            hub.mount(request)
        else:
            with pytest.raises(PeerError, match="13"):
                hub.mount(request)
        with grpc.insecure_channel(places[1].removeprefix("grpc:")) as channel:
            ask = channel.unary_unary("/api.SecureMountService/SecureMount")
            with pytest.raises(grpc.RpcError, match="secure-mount-not-enabled"):
                ask(mount_message(request), timeout=20)
    formatted = [("cryptsetup", SECRET)] * 2 + [("mkfs.ext4", b""), ("mount", b"")]
    assert ran == (formatted if enabled else [])
