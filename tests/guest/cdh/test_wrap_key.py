"""The encrypting side of the key provider protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guest.cdh.key_packets import KeyPacket
from guest.cdh.unwrap_key import unwrap_key
from guest.cdh.wrap_key import is_wrap_request, wrap, wrap_key
from guest.errors import MalformedPacketError, NotDecryptedError
from guest.wire.encoding import b64_encode

KID = "kbs:///img/kek/7"
KEK = bytes(range(32))


def request(parameters: Any, options: Any = "bGF5ZXI=") -> bytes:
    """What Go's ocicrypt asks."""
    if isinstance(parameters, str):
        parameters = {"attestation-agent": [b64_encode(parameters.encode())]}
    return json.dumps(
        {
            "op": "keywrap",
            "keywrapparams": {
                "ec": {"Parameters": parameters, "DecryptConfig": {"Parameters": {}}},
                "optsdata": options,
            },
            "keyunwrapparams": {"dc": None, "annotation": None},
        }
    ).encode()


@pytest.fixture
def kek(tmp_path: Path) -> Path:
    """The file of a key."""
    path = tmp_path / "kek.bin"
    path.write_bytes(KEK)
    return path


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {},
        {"attestation-agent": []},
        {"attestation-agent": [5]},
        {"attestation-agent": "YWE6"},
        {"attestation-agent": ["!"]},
        {"attestation-agent": ["//8="]},
        "",
        "sample=true",
        f"keyid={KID}",
        "keypath=KEK",
        "keyid=/default/image-kek/1::keypath=KEK",
        f"keyid={KID}::keypath=/nonexistent/kek",
        f"keyid={KID}::keypath=KEK::algorithm=A128GCM",
        f"keyid={KID}::keyid={KID}::keypath=KEK",
        f"keyid={KID}::keypath=KEK::other=1",
        f"keyid={KID}::keypath=KEK::packet=v3",
        f"keyid={KID}::keypath=KEK::packet=",
    ],
)
def test_refuses_parameters_that_do_not_fit(kek: Path, parameters: Any) -> None:
    """Upstream would make up a key, or a key id that no guest can parse."""
    if isinstance(parameters, str):
        parameters = parameters.replace("KEK", str(kek))
    with pytest.raises(MalformedPacketError):
        wrap_key(request(parameters))


def test_refuses_options_that_are_not_base64(kek: Path) -> None:
    """Such as those of a client that does not encode them."""
    with pytest.raises(MalformedPacketError):
        wrap_key(request(f"keyid={KID}::keypath={kek}", {"symkey": "x"}))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_refuses_keys_of_another_size(tmp_path: Path, size: int) -> None:
    """A longer one is not cut."""
    (tmp_path / "kek").write_bytes(bytes(size))
    with pytest.raises(NotDecryptedError):
        wrap_key(request(f"keyid={KID}::keypath={tmp_path / 'kek'}"))


@pytest.mark.parametrize("algorithm", ["", "::algorithm=A256GCM", "::algorithm=A256CTR"])
def test_guests_open_what_was_wrapped(resources: Any, kek: Path, algorithm: str) -> None:
    """All the way through both messages."""
    asked = request(f"keyid={KID}::keypath={kek}{algorithm}")
    assert is_wrap_request(asked)
    packet = bytes(json.loads(wrap_key(asked))["keywrapresults"]["annotation"])
    assert list(json.loads(packet)) == ["kid", "wrapped_data", "iv", "wrap_type"]
    resources.held[KID] = KEK
    unwrap = {
        "op": "keyunwrap",
        "keywrapparams": {},
        "keyunwrapparams": {"annotation": b64_encode(packet)},
    }
    answer = unwrap_key(json.dumps(unwrap).encode(), resources)
    assert bytes(json.loads(answer)["keyunwrapresults"]["optsdata"]) == b"layer"


@pytest.mark.parametrize("algorithm", ["A256GCM", "A256CTR"])
def test_a_packet_of_the_second_version_says_its_provider(
    resources: Any, kek: Path, algorithm: str
) -> None:
    """And opens as one of the first does."""
    asked = request(f"keyid={KID}::keypath={kek}::packet=v2::algorithm={algorithm}")
    packet = bytes(json.loads(wrap_key(asked))["keywrapresults"]["annotation"])
    members = json.loads(packet)
    assert (members["version"], members["provider"]) == ("0.1.0", "kbs")
    assert (members["provider_settings"], members["annotations"]) == ({}, {})
    resources.held[KID] = KEK
    assert KeyPacket.parse(packet).open(resources) == b"layer"


@pytest.mark.parametrize("path", ["OUT/other.bin", "IN/../out/other.bin", "IN/link", "IN"])
def test_keys_of_other_folders_are_not_used_for_others(tmp_path: Path, path: str) -> None:
    """Who asks over a socket chooses the path, and has not shown who he is."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("in/kek.bin", "out/other.bin"):
        (tmp_path / name).write_bytes(KEK)
    (tmp_path / "in/link").symlink_to(tmp_path / "out/other.bin")
    place = path.replace("OUT", f"{tmp_path}/out").replace("IN", f"{tmp_path}/in")
    with pytest.raises(MalformedPacketError):
        wrap_key(request(f"keyid={KID}::keypath={place}"), tmp_path / "in")
    assert wrap_key(request(f"keyid={KID}::keypath={tmp_path}/in/kek.bin"), tmp_path / "in")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"op":"keyunwrap"}', b'{"op":["keywrap"]}'])
def test_other_requests_do_not_wrap(text: bytes) -> None:
    """Unwrapping then says what is wrong with them."""
    assert not is_wrap_request(text)


def test_every_packet_has_its_own_iv() -> None:
    """The key is used for many layers."""
    packets = [wrap(b"", KID, KEK, "A256GCM") for _ in range(3)]
    assert len({packet.iv for packet in packets}) == 3
