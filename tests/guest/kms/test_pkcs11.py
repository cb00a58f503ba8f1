"""PKCS#11, with SoftHSM."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kms_rigs import Rig
from kms_rigs.pkcs11 import PIN, module

from guest.errors import (
    ConfigError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
)
from guest.kms.pkcs11 import KeyURI
from guest.wire.encoding import b64_decode, b64_encode

DATA_KEY = bytes(range(32))


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The token."""
    return rig_of("pkcs11")


def test_needs_a_library(rig: Rig) -> None:
    """Which is for the guest's settings to name."""
    with pytest.raises(ConfigError, match=r"kms\.pkcs11\.module"):
        rig.open(replace(rig.access, module=None))


def test_refuses_what_is_no_library(rig: Rig, tmp_path: Path) -> None:
    """Missing, of another kind, or without PKCS#11's functions."""
    (tmp_path / "text.so").write_text("text")
    libc = next(Path("/lib").glob("**/libm.so.6"))
    for path in (tmp_path / "none.so", tmp_path / "text.so", libc):
        with pytest.raises(KMSUnavailableError):
            rig.open(replace(rig.access, module=path))


@pytest.mark.parametrize(
    "uri",
    ["pkcs11:token=none;object=kek", "pkcs11:token=team;object=twice", "pkcs11:token=o;id=%7"],
)
def test_a_key_is_one(rig: Rig, uri: str) -> None:
    """Neither none, nor two among which chance decides."""
    with pytest.raises((KMSNotFoundError, MalformedSecretError)):
        rig.open().encrypt(DATA_KEY, uri, {})


@pytest.mark.parametrize(
    "annotations", [{}, {"iv": ""}, {"iv": "AAAA"}, {"iv": b64_encode(b"a" * 13)}]
)
def test_opening_needs_the_iv(rig: Rig, annotations: dict[str, str]) -> None:
    """Of its own length."""
    with pytest.raises(MalformedSecretError):
        rig.open().decrypt(bytes(48), rig.key_id, annotations)


def test_gives_no_secrets(rig: Rig) -> None:
    """A token keeps what it has."""
    with pytest.raises(KMSUnsupportedError):
        rig.open().get_secret("kek", {})


def test_reads_uris_of_the_standard() -> None:
    """With percent-encoded text and bytes (RFC 7512, section 3)."""
    parsed = KeyURI.parse("pkcs11:serial=a1;token=The%20Team;id=%00%ff;object=k%c3%a9y")
    assert parsed == KeyURI("The Team", b"a1", "kéy", b"\x00\xff")


def test_a_key_is_found_by_its_id(rig: Rig) -> None:
    """Where labels are taken twice."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, "pkcs11:token=team;object=twice;id=%03", {})
    assert kms.decrypt(wrapped.ciphertext, "pkcs11:token=team;id=%03", wrapped.annotations)


def test_the_form_is_that_of_aes_gcm(rig: Rig) -> None:
    """Whoever has a copy of the key opens it without the token."""
    key = bytes(range(1, 33))
    token = pkcs11.lib(str(module())).get_token(token_label="other")
    with token.open(rw=True, user_pin=PIN) as session:
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                pkcs11.Attribute.LABEL: "known",
                pkcs11.Attribute.VALUE: key,
                pkcs11.Attribute.ENCRYPT: True,
                pkcs11.Attribute.DECRYPT: True,
                pkcs11.Attribute.TOKEN: True,
            }
        )
    uri = "pkcs11:token=other;object=known"
    wrapped = rig.open().encrypt(DATA_KEY, uri, {"aad": "app"})
    iv = b64_decode(wrapped.annotations["iv"])
    assert AESGCM(key).decrypt(iv, wrapped.ciphertext, b"app") == DATA_KEY
    made = AESGCM(key).encrypt(bytes(12), b"k", None)
    assert rig.open().decrypt(made, uri, {"iv": b64_encode(bytes(12))}) == b"k"


def test_threads_do_not_end_each_others_sessions(rig: Rig) -> None:
    """A login is the whole process's, so they take turns."""
    opened: list[bytearray] = []

    def run() -> None:
        kms = rig.open()
        for _ in range(5):
            wrapped = kms.encrypt(DATA_KEY, rig.key_id, {})
            opened.append(kms.decrypt(wrapped.ciphertext, rig.key_id, wrapped.annotations))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [DATA_KEY] * 20
