"""The transit engine, as OpenBao serves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kms_rigs import Rig
from kms_rigs.vault import Server, approle

from guest.errors import (
    ConfigError,
    KMSAnswerError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.wire.encoding import b64_decode, b64_encode

DATA_KEY = bytes(range(32))


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The service."""
    return rig_of("vault")


@pytest.fixture
def server(rig: Rig) -> Server:
    """The same, asked as its root and without this project's driver."""
    assert rig.access.endpoint is not None
    return Server(rig.access.endpoint)


def test_needs_a_server(rig: Rig) -> None:
    """Which is for the guest's settings to name."""
    with pytest.raises(ConfigError, match=r"kms\.vault\.endpoint"):
        rig.open(replace(rig.access, endpoint=None))


def test_gives_no_secrets(rig: Rig) -> None:
    """The transit engine keeps none."""
    with pytest.raises(KMSUnsupportedError):
        rig.open().get_secret("kek", {})


def test_another_engine_is_not_found(rig: Rig) -> None:
    """To a token that may not look for it either, it is denied."""
    with pytest.raises((KMSNotFoundError, KMSDeniedError)):
        rig.open(mount="elsewhere").encrypt(DATA_KEY, rig.key_id, {})


REASONS = [
    (400, ["encryption key not found"], KMSNotFoundError),
    (400, ["cipher: message authentication failed"], NotDecryptedError),
    (403, ["permission denied"], KMSDeniedError),
    (404, ["no handler for route"], KMSNotFoundError),
    (429, ["request path exceeded rate limit"], KMSUnavailableError),
    (500, ["internal error"], KMSUnavailableError),
    (501, ["not initialized"], KMSUnavailableError),
    (503, ["Vault is sealed"], KMSUnavailableError),
    (409, ["?"], KMSAnswerError),
]


def test_reasons_of_the_server_are_told_apart(rig: Rig, serve: Any, answer: Any) -> None:
    """By status, and by the one sentence that has no status."""
    assert rig.at is not None
    served = serve(answer())
    kms = rig.open(rig.at(served.url))
    for status, errors, kind in REASONS:
        body = json.dumps({"errors": errors}).encode()
        served.script = [answer(status, {"Content-Type": "application/json"}, body)]
        with pytest.raises(kind):
            kms.decrypt(b"vault:v1:AAAA", rig.key_id, {})


def test_answers_of_another_form_are_refused(rig: Rig, serve: Any, answer: Any) -> None:
    """With a plaintext that is none."""
    assert rig.at is not None
    served = serve(answer())
    kms = rig.open(rig.at(served.url))
    for body in ({"data": None}, {"data": {"plaintext": 5}}, {"data": {"plaintext": "%"}}, []):
        kind = {"Content-Type": "application/json"}
        served.script = [answer(200, kind, json.dumps(body).encode())]
        with pytest.raises(KMSAnswerError):
            kms.decrypt(b"vault:v1:AAAA", rig.key_id, {})


def test_a_derived_key_needs_its_context(rig: Rig) -> None:
    """Another derives another key."""
    kms = rig.open()
    with pytest.raises(MalformedSecretError):
        kms.encrypt(DATA_KEY, "derived", {})
    wrapped = kms.encrypt(DATA_KEY, "derived", {"context": "app"})
    with pytest.raises(NotDecryptedError):
        kms.decrypt(wrapped.ciphertext, "derived", {"context": "other"})
    assert kms.decrypt(wrapped.ciphertext, "derived", wrapped.annotations) == DATA_KEY


def test_the_ciphertext_is_the_engines_own(rig: Rig, server: Server) -> None:
    """Both ways; and after a rotation, old ciphertexts open still."""
    kms, bound = rig.open(), b64_encode(b"app")
    wrapped = kms.encrypt(DATA_KEY, "kek2", {"associated_data": "app"})
    body = {"ciphertext": wrapped.ciphertext.decode(), "associated_data": bound}
    opened = server.ask("POST", "transit/decrypt/kek2", body)["data"]["plaintext"]
    assert b64_decode(opened) == DATA_KEY
    server.ask("POST", "transit/keys/kek2/rotate")
    made = server.ask("POST", "transit/encrypt/kek2", {"plaintext": b64_encode(b"k")})["data"]
    assert made["ciphertext"].startswith("vault:v2:")
    assert kms.decrypt(made["ciphertext"].encode(), "kek2", {}) == b"k"
    assert kms.decrypt(wrapped.ciphertext, "kek2", wrapped.annotations) == DATA_KEY


def test_a_role_logs_in(rig: Rig, tmp_path: Path) -> None:
    """With an id and a secret that are good; others are denied."""
    access = approle(rig, tmp_path)
    assert rig.open(access).encrypt(DATA_KEY, rig.key_id, {}).ciphertext
    members = json.loads((access.folder / "credential.json").read_text())
    (access.folder / "credential.json").write_text(json.dumps({**members, "secret_id": "other"}))
    with pytest.raises(KMSDeniedError):
        rig.open(access)


def test_a_namespace_is_asked_for(rig: Rig, serve: Any, answer: Any) -> None:
    """In the header that servers with namespaces read."""
    assert rig.at is not None
    served = serve(answer(503))
    with pytest.raises(KMSUnavailableError):
        rig.open(rig.at(served.url), namespace="team/a").encrypt(DATA_KEY, rig.key_id, {})
    headers = served.calls[0].headers
    assert headers["X-Vault-Namespace"] == "team/a"
    assert headers["X-Vault-Token"] == rig.credentials[0]
