"""Annotation packets of both versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guest.cdh.ciphers import encrypt
from guest.cdh.key_packets import KeyPacket
from guest.errors import MalformedPacketError, NotDecryptedError, UnknownProviderError
from guest.wire.encoding import b64_encode

KID = "kbs:///img/kek/7"
KEK = bytes(range(32))
IVS = {"A256GCM": bytes(12), "A256CTR": bytes(16)}


def packet(cipher: str = "A256GCM", **members: Any) -> bytes:
    """A packet of the first version with more or other members; ``...`` takes one away."""
    iv = IVS[cipher]
    whole: dict[str, Any] = {
        "kid": KID,
        "wrapped_data": b64_encode(encrypt(KEK, b"layer key", iv, cipher)),
        "iv": b64_encode(iv),
        "wrap_type": cipher,
        **members,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        packet(kid=...),
        packet(kid=5),
        packet(wrapped_data=...),
        packet(wrapped_data="%%"),
        packet(wrapped_data=[1, 2]),
        packet(version="0.2.0"),
        packet(version=None),
        packet(iv=...),
        packet(iv=None),
        packet(iv="AAAA"),
        packet(wrap_type=...),
        packet(wrap_type="A256GCM", iv=b64_encode(bytes(16))),
        packet("A256CTR", iv=b64_encode(bytes(12))),
        packet(wrap_type="RSA"),
        packet(provider=None),
        packet(provider_settings=[]),
        packet(annotations=3),
    ],
)
def test_refuses_what_is_no_packet(text: bytes) -> None:
    """By shape and type, before a key is fetched."""
    with pytest.raises(MalformedPacketError):
        KeyPacket.parse(text)


@pytest.mark.parametrize("provider", ["KBS", "acme", "ports"])
def test_refuses_other_providers(resources: Any, provider: str) -> None:
    """Here the name has a case."""
    with pytest.raises(UnknownProviderError):
        KeyPacket.parse(packet(provider=provider)).open(resources)


def test_refuses_another_key(resources: Any) -> None:
    """Authenticated encryption notices."""
    resources.held[KID] = bytes(32)
    with pytest.raises(NotDecryptedError):
        KeyPacket.parse(packet()).open(resources)


@pytest.mark.parametrize("wrap_type", IVS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"version": "0.1.0", "provider": "kbs", "provider_settings": {}, "annotations": {}},
        {"version": "0.1.0"},
    ],
)
def test_opens_both_versions(resources: Any, wrap_type: str, more: dict[str, Any]) -> None:
    """With either cipher."""
    resources.held[KID] = KEK
    assert KeyPacket.parse(packet(wrap_type, **more)).open(resources) == b"layer key"


def test_writes_the_first_version_in_upstreams_order() -> None:
    """Member for member."""
    made = KeyPacket(KID, b"abc", iv=bytes(12), wrap_type="A256GCM").first_version()
    assert made == (
        b'{"kid":"kbs:///img/kek/7","wrapped_data":"YWJj",'
        b'"iv":"AAAAAAAAAAAAAAAA","wrap_type":"A256GCM"}'
    )
    assert KeyPacket.parse(made).wrapped_data == b"abc"


def test_writes_the_second_version_with_what_its_provider_needs() -> None:
    """Another provider than the Key Broker Service needs no cipher."""
    made = KeyPacket("alias/demo", b"abc", "aws", settings={"region": "x"}).second_version()
    assert made == (
        b'{"version":"0.1.0","kid":"alias/demo","wrapped_data":"YWJj","provider":"aws",'
        b'"provider_settings":{"region":"x"},"annotations":{}}'
    )
    assert KeyPacket.parse(made) == KeyPacket("alias/demo", b"abc", "aws", settings={"region": "x"})


# What ``coco_keyprovider`` of guest-components wrapped at commit 8246e5e0 for Go's ocicrypt 1.3.2.
STOCK_KEK = bytes.fromhex("4483f178be2e0c184270463f346fcc11da98a2510bc860e798667cf452582823")
STOCK_PACKET = {
    "kid": "kbs:///img/kek/7",
    "wrapped_data": (
        "mTvNPl3t3UfDT1EEKILnkb1QBxuSpfScNwpmhnZt9WRoBypAL77cGZ//7qF04POnVZ/AQlOtPPJC"
        "atPM1NodO85bm0K0sFBUUr9KlSu0tmUJSTZ3HT+T6TFmvQQZOBLG9zhH/stF4W5u4dPOkAF3IFWv"
        "sRP/ED75rOkcDsF5FS2ThSx73OLcZNB54IWYIgMlcjow+zAlN95uJMqn0MIR5qWldBz5ybRU1crZ"
        "yhAF/9bJWoqou+yYy9hwMPeh++Xl0EhW4BPJ57QYXWzqA/EXCxg="
    ),
    "iv": "+JTplV4scDZpngFV",
    "wrap_type": "A256GCM",
}


def test_opens_what_the_stock_key_provider_wrapped(resources: Any) -> None:
    """The private options of a layer, as ocicrypt reads them."""
    resources.held[KID] = STOCK_KEK
    payload = json.loads(KeyPacket.parse(json.dumps(STOCK_PACKET).encode()).open(resources))
    assert payload.keys() == {"symkey", "digest", "cipheroptions"}
