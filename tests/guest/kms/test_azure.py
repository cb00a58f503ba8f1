"""Azure Key Vault, simulated after its REST reference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from kms_rigs import Rig
from kms_rigs.azure import CLOUDS, LOGIN, OAEP, TENANT, VAULT, Cloud
from kms_rigs.simulated import Asked, Said, serving

from guest.errors import (
    KMSAnswerError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)

DATA_KEY = bytes(range(32))


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The service."""
    return rig_of("azure")


@pytest.fixture
def cloud(rig: Rig) -> Iterator[Cloud]:
    """What stands behind it; what it was asked is forgotten."""
    known = CLOUDS[str(rig.access.endpoint)]
    known.asked.clear()
    return known


def test_gives_no_secrets(rig: Rig) -> None:
    """Of a vault, keys alone are used."""
    with pytest.raises(KMSUnsupportedError):
        rig.open().get_secret("password", {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NotDecryptedError),
        (403, KMSDeniedError),
        (404, KMSNotFoundError),
        (409, KMSAnswerError),
        (429, KMSUnavailableError),
        (503, KMSUnavailableError),
    ],
)
def test_reasons_of_the_vault_are_told_apart(
    rig: Rig, serve: Any, answer: Any, status: int, kind: type[Exception]
) -> None:
    """By status."""
    assert rig.at is not None
    served = serve(answer(status, {"Content-Type": "application/json"}, b"{}"))
    with pytest.raises(kind):
        rig.open(rig.at(served.url)).decrypt(b"x" * 256, f"{rig.key_id}/{'0' * 32}", {})
    assert len(served.calls) == 1


@pytest.mark.parametrize(
    "challenge",
    [
        f'Bearer authorization="https://{LOGIN}/{TENANT}", resource="https://attacker.example"',
        f'Bearer authorization="https://{LOGIN}/{TENANT}", resource="https://storage.azure.com"',
        f'Bearer authorization="https://{LOGIN}/{TENANT}"',
        f'Bearer authorization="https://{LOGIN}/other", resource="https://vault.azure.net"',
        "Basic realm=x",
    ],
)
def test_a_token_is_for_the_vault_that_is_meant(rig: Rig, challenge: str) -> None:
    """A challenge for another resource or tenant brings whoever answers no token."""

    class Lying(Cloud):
        """Challenges as it is told."""

        def __call__(self, asked: Asked) -> Said:
            """A challenge, and tokens as ever."""
            self.asked.append(asked)
            if asked.host == LOGIN:
                return self.authority(asked)
            return Said(401, {}, {"WWW-Authenticate": challenge})

    lying = Lying({"guest": "the client's secret"})
    with serving(lying) as url:
        kms = rig.open(replace(rig.access, endpoint=url, authority=url))
        # Another vault, because challenges are remembered by the library.
        with pytest.raises((KMSDeniedError, KMSAnswerError)):
            kms.encrypt(DATA_KEY, "https://liar.vault.azure.net/keys/kek", {})
    shown = [each.headers.get("Authorization") for each in lying.asked if each.host != LOGIN]
    # A challenge that the library remembers as bad is not even asked for again.
    assert set(shown) <= {None}


def test_an_authority_that_is_down_is_an_outage(rig: Rig) -> None:
    """Or one that answers nothing of sense."""
    access = replace(rig.access, authority="http://127.0.0.1:1")
    with pytest.raises(KMSUnavailableError):
        rig.open(access).encrypt(DATA_KEY, rig.key_id, {})


def test_an_authority_does_not_redirect(rig: Rig, serve: Any, answer: Any) -> None:
    """The client's secret goes nowhere else."""
    elsewhere = serve(answer())
    redirecting = serve(answer(307, {"Location": elsewhere.url}, b""))
    access = replace(rig.access, authority=redirecting.url)
    with pytest.raises(KMSAnswerError):
        rig.open(access).encrypt(DATA_KEY, rig.key_id, {})
    assert elsewhere.calls == []


def test_another_key_in_the_answer_is_refused(rig: Rig, serve: Any, answer: Any) -> None:
    """The sealed secret would name one, and another would have wrapped."""
    assert rig.at is not None
    served = serve(answer())
    for kid in (f"https://{VAULT}/keys/other/{'0' * 32}", f"https://{VAULT}/keys/kek", "x", 5):
        body = json.dumps({"kid": kid, "value": "AAAA"}).encode()
        served.script = [answer(200, {"Content-Type": "application/json"}, body)]
        with pytest.raises(KMSAnswerError):
            rig.open(rig.at(served.url)).encrypt(DATA_KEY, rig.key_id, {})


def test_a_key_of_another_version_is_contradicted(rig: Rig) -> None:
    """Where the key id has one, too."""
    with pytest.raises(MalformedSecretError):
        rig.open().decrypt(b"x" * 256, f"{rig.key_id}/{'0' * 32}", {"version": "1" * 32})


def test_the_version_is_kept(rig: Rig, cloud: Cloud) -> None:
    """What was sealed before a rotation opens after it."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, f"https://{VAULT}/keys/kek2", {})
    used = cloud.keys["kek2"][wrapped.annotations["version"]]
    assert used.decrypt(wrapped.ciphertext, OAEP) == DATA_KEY
    cloud.add_key("kek2", rsa.generate_private_key(65537, 2048))
    opened = kms.decrypt(wrapped.ciphertext, f"https://{VAULT}/keys/kek2", wrapped.annotations)
    assert opened == DATA_KEY


def test_a_managed_hsm_wraps_with_aes(rig: Rig) -> None:
    """By the algorithm that the annotations name."""
    key_id = f"https://{VAULT}/keys/hsm"
    wrapped = rig.open().encrypt(DATA_KEY, key_id, {"algorithm": "A256KW"})
    assert len(wrapped.ciphertext) == 40
    assert rig.open().decrypt(wrapped.ciphertext, key_id, wrapped.annotations) == DATA_KEY


def test_a_token_goes_to_the_vault_alone(rig: Rig, cloud: Cloud) -> None:
    """The authority is asked once, and nobody but the two."""
    rig.open().encrypt(DATA_KEY, rig.key_id, {})
    assert {each.host for each in cloud.asked} == {LOGIN, VAULT}
    assert sum(each.path.endswith("/token") for each in cloud.asked) == 1
