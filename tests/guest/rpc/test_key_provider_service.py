"""Wrapping over gRPC, asked as ocicrypt's providers that are servers are."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from protos import message

from guest.cdh.key_packets import KeyPacket
from guest.cli import main
from guest.errors import MalformedPacketError
from guest.rpc.key_provider_service import KeyProviderService
from guest.rpc.protobuf import octets_field
from guest.rpc.services import StatusError, find_method

SERVICE = "keyprovider.KeyProviderService"
KID = "kbs:///img/kek/7"
KEK = bytes(range(32))


def request(folder: Path) -> bytes:
    """What ocicrypt sends, in Google's encoding."""
    parameters = f"keyid={KID}::keypath={folder}/kek.bin".encode()
    asked = {
        "op": "keywrap",
        "keywrapparams": {
            "ec": {
                "Parameters": {"attestation-agent": [base64.b64encode(parameters).decode()]},
                "DecryptConfig": {"Parameters": {"attestation-agent": None}},
            },
            "optsdata": base64.b64encode(b"the key of a layer").decode(),
        },
        "keyunwrapparams": {"dc": None, "annotation": None},
    }
    written: bytes = message("keyprovider.KeyProviderKeyWrapProtocolInput")(
        KeyProviderKeyWrapProtocolInput=json.dumps(asked).encode()
    ).SerializeToString()
    return written


def refuse(request: bytes) -> bytes:
    """Always."""
    raise MalformedPacketError("the file of keypath cannot be read")


def test_a_failure_tells_its_code() -> None:
    """And nothing of the machine's files."""
    wrap = find_method(KeyProviderService(refuse).services(), SERVICE, "WrapKey")
    with pytest.raises(StatusError, match="Encrypt Image failed: key-packet-malformed") as caught:
        wrap.call(octets_field(1, b"{}"))
    assert "keypath" not in caught.value.message


def test_whoever_encrypts_does_not_unwrap() -> None:
    """That is for guests, which attest."""
    with pytest.raises(StatusError, match="not supported"):
        find_method(KeyProviderService(refuse).services(), SERVICE, "UnWrapKey")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "10.0.0.1:1", "localhost", "127.0.0.1:x"])
def test_serves_on_loopback_only(address: str, tmp_path: Path) -> None:
    """As a fault of the arguments."""
    with pytest.raises(SystemExit) as caught:
        main(["key-provider", "--serve", address, "--keys", str(tmp_path)])
    assert caught.value.code == 2


@pytest.mark.parametrize("keys", [[], ["--keys", "/nonexistent"], ["--keys", "/etc/passwd"]])
def test_needs_to_be_told_which_keys(keys: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Otherwise any user of the machine would wrap under any key of this one."""
    assert main(["key-provider", "--serve", "127.0.0.1:0", *keys]) == 2
    assert "--keys" in capfd.readouterr().err


def test_the_command_wraps_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """A packet that opens under the key; keys outside of the folder are refused."""
    (tmp_path / "kek.bin").write_bytes(KEK)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "kek.bin").write_bytes(KEK)
    command = [sys.executable, "-m", "guest.cli", "key-provider", "--serve", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--keys", tmp_path / "keys"], stderr=subprocess.PIPE, env=dict(os.environ)
    ) as program:
        assert program.stderr is not None
        place = program.stderr.readline().decode().rpartition("grpc:")[2].strip()
        try:
            packet = _packet(place, request(tmp_path / "keys"))
            with pytest.raises(grpc.RpcError, match="key-packet-malformed"):
                _packet(place, request(tmp_path))
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
    assert packet.open({KID: KEK}.__getitem__) == b"the key of a layer"


def _packet(place: str, written: bytes) -> KeyPacket:
    """The packet that a request is answered with."""
    with grpc.insecure_channel(place) as channel:
        answer: Any = channel.unary_unary(f"/{SERVICE}/WrapKey")(written, timeout=20)
    read = message("keyprovider.KeyProviderKeyWrapProtocolOutput").FromString(answer)
    results = json.loads(read.KeyProviderKeyWrapProtocolOutput)["keywrapresults"]
    return KeyPacket.parse(bytes(results["annotation"]))
