"""Sealed secrets, opened in the guest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.cdh.sealed_secrets import Unsealer
from guest.cdh.sealing import public_jwk
from guest.cdh.sealing_keys import SealingKeys
from guest.errors import (
    GuestError,
    MalformedSecretError,
    NotDecryptedError,
    NotFoundError,
    ResourceURIError,
    SecretSignatureError,
    UnknownProviderError,
    UntrustedKeyError,
)
from guest.wire.encoding import b64_encode, b64url_encode

KID = "kbs:///default/sealing/key"
NAME = "kbs:///app1/db/password"
HEADER = {"alg": "ES256", "kid": KID}
VAULT = {
    "version": "0.1.0",
    "type": "vault",
    "name": NAME,
    "provider": "kbs",
    "provider_settings": {},
    "annotations": {},
}
ENVELOPE = {
    "version": "0.1.0",
    "type": "envelope",
    "provider": "kbs",
    "key_id": "kbs:///default/kek/1",
    "encrypted_key": b64_encode(bytes(60)),
    "encrypted_data": b64_encode(bytes(20)),
    "wrap_type": "A256GCM",
    "iv": b64_encode(bytes(12)),
    "provider_settings": {},
    "annotations": {},
}


def sign(key: Any, header: Any, payload: Any) -> str:
    """A sealed secret of any header and payload, with a true signature."""
    parts = [
        b64url_encode(value if isinstance(value, bytes) else json.dumps(value).encode())
        for value in (header, payload)
    ]
    der = key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256()))
    raw = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(der))
    return ".".join(["sealed", *parts, b64url_encode(raw)])


@pytest.fixture
def unsealer(resources: Any, signing_key: Any) -> Unsealer:
    """Opens what the sealing key signed; the key and one secret are resources."""
    resources.held |= {KID: public_jwk(signing_key).encode(), NAME: b"the password"}
    return Unsealer(resources, SealingKeys(resources, Path("/nonexistent"), frozenset({KID})))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sealed",
        "sealed.",
        "sealed.a.b",
        "sealed.a.b.c.d",
        "sealed.sealed.a.b.c",
        "Sealed.e30.e30.AAAA",
        "other.e30.e30.AAAA",
        "sealed.e30.e30.AAAA",
        "sealed.!.e30.AAAA",
        "sealed..e30.",
        "sealed.e30.e30." + "A" * 5_000_000,
        "\ud800",
    ],
)
def test_refuses_what_is_no_sealed_secret(unsealer: Unsealer, resources: Any, text: str) -> None:
    """Before anything is fetched for it."""
    with pytest.raises(MalformedSecretError):
        unsealer.unseal_secret(text)
    assert resources.asked == []


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": KID},
        {"alg": "HS256", "kid": KID},
        {"alg": "ES384", "kid": KID},
        {"alg": ["ES256"], "kid": KID},
        {"kid": KID},
        {"alg": "ES256"},
        {"alg": "ES256", "kid": 7},
        {"alg": "ES256", "kid": "k" * 5000},
        {"alg": "ES256", "kid": KID, "crit": ["b64"], "b64": False},
        [],
        b"{",
        b'{"alg":"ES256","alg":"ES256"}',
    ],
)
def test_refuses_other_headers(
    unsealer: Unsealer, resources: Any, signing_key: Any, header: Any
) -> None:
    """One algorithm, one key, no extension; no key is fetched for another."""
    with pytest.raises(MalformedSecretError):
        unsealer.unseal_secret(sign(signing_key, header, VAULT))
    assert resources.asked == []


@pytest.mark.parametrize(
    "members",
    [
        {"version": "0.2.0"},
        {"version": None},
        {"type": "other"},
        {"type": ["vault"]},
        {"type": {}},
        {"name": 3},
        {"name": "n" * 5000},
        {"provider": None},
        {"provider_settings": []},
        {"annotations": "x"},
        {"annotations": None},
    ],
)
def test_refuses_other_payloads(
    unsealer: Unsealer, signing_key: Any, members: dict[str, Any]
) -> None:
    """A true signature does not make a payload of another shape right."""
    with pytest.raises(MalformedSecretError):
        unsealer.unseal_secret(sign(signing_key, HEADER, {**VAULT, **members}))


@pytest.mark.parametrize(
    "members",
    [
        {"wrap_type": "A128GCM"},
        {"wrap_type": None},
        {"iv": "AAAA="},
        {"iv": 5},
        {"encrypted_data": "-_-_"},
        {"encrypted_key": None},
        {"key_id": 7},
    ],
)
def test_refuses_other_envelopes(
    unsealer: Unsealer, resources: Any, signing_key: Any, members: dict[str, Any]
) -> None:
    """Everything is read before the key is fetched."""
    with pytest.raises(MalformedSecretError):
        unsealer.unseal_secret(sign(signing_key, HEADER, {**ENVELOPE, **members}))
    assert resources.asked == [KID]


@pytest.mark.parametrize("payload", [VAULT, ENVELOPE])
@pytest.mark.parametrize("provider", ["ehsm", "acme", "ports", "registry", "../kbs", ""])
def test_names_the_providers_that_exist(
    unsealer: Unsealer, signing_key: Any, payload: dict[str, Any], provider: str
) -> None:
    """An unknown one is an error of its own, and no module but a driver is imported."""
    with pytest.raises(UnknownProviderError, match="kbs"):
        unsealer.unseal_secret(sign(signing_key, HEADER, {**payload, "provider": provider}))


def test_refuses_a_signature_of_another_key(unsealer: Unsealer, resources: Any) -> None:
    """The secret is not looked up then."""
    with pytest.raises(SecretSignatureError):
        unsealer.unseal_secret(sign(ec.generate_private_key(ec.SECP256R1()), HEADER, VAULT))
    assert resources.asked == [KID]


@pytest.mark.parametrize("part", [1, 2, 3])
def test_refuses_a_changed_part(unsealer: Unsealer, signing_key: Any, part: int) -> None:
    """Header, payload and signature hang together."""
    parts = sign(signing_key, HEADER, VAULT).split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    with pytest.raises((SecretSignatureError, MalformedSecretError, UntrustedKeyError)):
        unsealer.unseal_secret(".".join(parts))


@pytest.mark.parametrize("raw", [b"", bytes(63), bytes(65), b"\x30" * 70])
def test_refuses_signatures_of_another_length(
    unsealer: Unsealer, signing_key: Any, raw: bytes
) -> None:
    """Such as DER, which JWS does not use."""
    head, _, _ = sign(signing_key, HEADER, VAULT).rpartition(".")
    with pytest.raises(MalformedSecretError):
        unsealer.unseal_secret(f"{head}.{b64url_encode(raw)}")


@pytest.mark.parametrize("raw", [bytes(64), b"\xff" * 64])
def test_refuses_numbers_out_of_range(unsealer: Unsealer, signing_key: Any, raw: bytes) -> None:
    """Zero, above all, which bad implementations take for any message."""
    head, _, _ = sign(signing_key, HEADER, VAULT).rpartition(".")
    with pytest.raises(SecretSignatureError):
        unsealer.unseal_secret(f"{head}.{b64url_encode(raw)}")


def test_a_data_key_of_another_key_does_not_open(
    unsealer: Unsealer, resources: Any, signing_key: Any
) -> None:
    """Nothing is handed out then."""
    resources.held["kbs:///default/kek/1"] = bytes(32)
    with pytest.raises(NotDecryptedError):
        unsealer.unseal_secret(sign(signing_key, HEADER, ENVELOPE))


@pytest.mark.parametrize(
    ("name", "kind"), [("kbs:///app1/db/none", NotFoundError), ("app1/db", NotFoundError)]
)
def test_the_hubs_refusal_is_the_answer(
    unsealer: Unsealer, signing_key: Any, name: str, kind: type[GuestError]
) -> None:
    """There is no other place to look."""
    with pytest.raises((kind, ResourceURIError)):
        unsealer.unseal_secret(sign(signing_key, HEADER, {**VAULT, "name": name}))


@pytest.mark.parametrize("payload", [VAULT, {**VAULT, "provider": "KBS", "annotations": {"a": 1}}])
def test_opens_a_vault_secret(
    unsealer: Unsealer, resources: Any, signing_key: Any, payload: dict[str, Any]
) -> None:
    """Names of providers have no case."""
    assert unsealer.unseal_secret(sign(signing_key, HEADER, payload)) == b"the password"
    assert resources.asked == [KID, NAME]


def test_annotations_may_be_missing(unsealer: Unsealer, signing_key: Any) -> None:
    """The documentation of the format calls them optional."""
    short = {name: VAULT[name] for name in ("version", "type", "name", "provider")}
    assert unsealer.unseal_secret(sign(signing_key, HEADER, short)) == b"the password"


def test_verifies_nothing_only_when_told(resources: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Upstream's example of an unsigned secret, whose header and signature are words."""
    resources.held[NAME] = b"the password"
    payload = b64url_encode(json.dumps(VAULT).encode())
    unsigned = f"sealed.fakejwsheader.{payload}.fakesignature"
    assert Unsealer(resources, keys=None).unseal_secret(unsigned) == b"the password"
    assert "INSECURE" in caplog.text


def test_no_secret_shows_in_a_repr(unsealer: Unsealer) -> None:
    """Nor what brings it."""
    assert "password" not in repr(unsealer)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=60), st.text("sealed.AQ-_=!", max_size=60).map("sealed.".__add__))
)
def test_any_text_ends_in_a_typed_error(text: str) -> None:
    """Whatever arrives in an environment variable."""

    def nothing(uri: str) -> bytes:
        raise NotFoundError(uri, status=404)

    with pytest.raises(GuestError):
        Unsealer(nothing, SealingKeys(nothing, Path("/nonexistent"))).unseal_secret(text)
    with pytest.raises(GuestError):
        Unsealer(nothing, None).unseal_secret(text)


# What guest-components' own program ``secret`` sealed at commit 8246e5e0, and its public key.
STOCK_SEALED = (
    "sealed.eyJiNjQiOnRydWUsImFsZyI6IkVTMjU2Iiwia2lkIjoia2JzOi8vL2RlZmF1bHQvc2VhbGluZy9zd"
    "G9jayJ9.eyJ2ZXJzaW9uIjoiMC4xLjAiLCJ0eXBlIjoidmF1bHQiLCJuYW1lIjoia2JzOi8vL2FwcDEvZGIv"
    "cGFzc3dvcmQiLCJwcm92aWRlciI6ImticyIsInByb3ZpZGVyX3NldHRpbmdzIjp7fSwiYW5ub3RhdGlvbnMi"
    "Ont9fQ._v7upM8O0wCiS_Xu946YPMk8mZ_xwyGKTBK-xe7LWJhWfxZuUpt7LTSbkfFTkuKFTnnz9cUA2NoM0"
    "Ltl2UAmmA"
)
STOCK_KID = "kbs:///default/sealing/stock"
STOCK_KEY = {
    "alg": "ES256",
    "crv": "P-256",
    "kid": "stock",
    "kty": "EC",
    "use": "sig",
    "x": "EVqNzxUoUOoy2S0DuGPGO5plxg6BxK8Y0rU6_PbeHzI",
    "y": "nAVBNRgpspgWGzf3QDzzZzOcYOZGJRLBUpchXrhOE88",
}


@pytest.mark.parametrize("at", [60, 300, len(STOCK_SEALED) - 20])
def test_what_the_stock_program_sealed_is_refused_when_it_was_changed(
    resources: Any, tmp_path: Path, at: int
) -> None:
    """In its header, its payload or its signature."""
    resources.held |= {STOCK_KID: json.dumps(STOCK_KEY).encode(), NAME: b"correct horse"}
    unsealer = Unsealer(resources, SealingKeys(resources, tmp_path, frozenset({STOCK_KID})))
    other = "A" if STOCK_SEALED[at] != "A" else "B"
    with pytest.raises((MalformedSecretError, SecretSignatureError, UntrustedKeyError)):
        unsealer.unseal_secret(STOCK_SEALED[:at] + other + STOCK_SEALED[at + 1 :])


def test_what_the_stock_program_sealed_is_opened(resources: Any, tmp_path: Path) -> None:
    """With its own key, once that is believed."""
    resources.held |= {STOCK_KID: json.dumps(STOCK_KEY).encode(), NAME: b"correct horse"}
    unsealer = Unsealer(resources, SealingKeys(resources, tmp_path, frozenset({STOCK_KID})))
    assert unsealer.unseal_secret(STOCK_SEALED) == b"correct horse"
