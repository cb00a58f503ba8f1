"""What every driver is held to, with its service running."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from kms_rigs import PROVIDERS, Rig

from guest.errors import (
    GuestError,
    KMSAnswerError,
    KMSCredentialsError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    MalformedSecretError,
    NotDecryptedError,
    TLSError,
)
from guest.wire.encoding import b64_encode

DATA_KEY = bytes(range(32))

# What a service says to another key or a change; some do not tell it from what is forbidden, and
# one looks for the version of the key first.
REFUSED = (NotDecryptedError, KMSDeniedError, KMSNotFoundError, MalformedSecretError)


@pytest.fixture(params=PROVIDERS)
def rig(request: Any, rig_of: Callable[[str], Rig]) -> Rig:
    """Each service in turn."""
    return rig_of(request.param)


@pytest.fixture(params=[name for name in PROVIDERS if name not in {"kmip", "pkcs11"}])
def remote(request: Any, rig_of: Callable[[str], Rig]) -> Rig:
    """Each of those that are reached over HTTP; KMIP's own tests ask the same of it."""
    return rig_of(request.param)


def test_refuses_another_key(rig: Rig) -> None:
    """Also one that works, and that these credentials may use."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, rig.key_id, rig.annotations)
    with pytest.raises(REFUSED):
        kms.decrypt(wrapped.ciphertext, rig.other_key_id, wrapped.annotations)


def test_refuses_a_changed_ciphertext(rig: Rig) -> None:
    """In any place, cut, or made longer."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, rig.key_id, rig.annotations)
    whole = wrapped.ciphertext
    places = (0, len(whole) // 2, len(whole) - 1)
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
    for changed in (*flipped, whole[:-1], whole + b"\0", whole[:4], b""):
        with pytest.raises(REFUSED):
            kms.decrypt(changed, rig.key_id, wrapped.annotations)


def test_refuses_changed_annotations(rig: Rig) -> None:
    """What was bound must come back as it was."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, rig.key_id, rig.annotations)
    for changed in rig.changed:
        merged = {**wrapped.annotations, **changed} if changed else {}
        with pytest.raises(REFUSED):
            kms.decrypt(wrapped.ciphertext, rig.key_id, merged)


def test_a_missing_key_is_not_found(rig: Rig) -> None:
    """Both ways; some say no more to who encrypts than that it may not."""
    kms = rig.open()
    with pytest.raises((KMSNotFoundError, KMSDeniedError)):
        kms.encrypt(DATA_KEY, rig.missing_key_id, {})
    wrapped = kms.encrypt(DATA_KEY, rig.key_id, {})
    with pytest.raises(KMSNotFoundError):
        kms.decrypt(wrapped.ciphertext, rig.missing_key_id, wrapped.annotations)


def test_other_credentials_are_denied(rig: Rig) -> None:
    """Such as may do nothing."""
    wrapped = rig.open().encrypt(DATA_KEY, rig.key_id, {})
    with pytest.raises(KMSDeniedError):
        rig.open(rig.denied).decrypt(wrapped.ciphertext, rig.key_id, wrapped.annotations)


def test_refuses_without_credentials(rig: Rig, tmp_path: Path) -> None:
    """Before anyone is asked."""
    with pytest.raises(KMSCredentialsError):
        rig.open(replace(rig.access, folder=tmp_path / "none"))


def test_refuses_broken_credentials(rig: Rig, tmp_path: Path) -> None:
    """Empty, cut off, of another shape, or without end; the message shows nothing of them."""
    access = replace(rig.access, folder=tmp_path)
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b" " * 70_000):
        for file in rig.access.folder.iterdir():
            (tmp_path / file.name).write_bytes(content)
        with pytest.raises(KMSCredentialsError) as caught:
            rig.open(access)
        assert len(str(caught.value)) < 400


def test_refuses_other_settings(rig: Rig) -> None:
    """Whoever seals says which region or key ring, and neither hosts nor files."""
    for changed in rig.bad_settings:
        with pytest.raises(MalformedSecretError):
            rig.open(**changed)


def test_refuses_other_key_ids_and_annotations(rig: Rig) -> None:
    """Before the service is asked."""
    kms = rig.open()
    for key_id in rig.bad_key_ids:
        with pytest.raises(MalformedSecretError):
            kms.decrypt(b"ciphertext", key_id, {})
    for bad in rig.bad_annotations:
        with pytest.raises(MalformedSecretError):
            kms.encrypt(DATA_KEY, rig.key_id, bad)


def test_decrypts_what_it_encrypted(rig: Rig) -> None:
    """Into a buffer that can be wiped; every ciphertext is another."""
    kms = rig.open()
    first, second = (kms.encrypt(DATA_KEY, rig.key_id, rig.annotations) for _ in range(2))
    assert first.ciphertext != second.ciphertext
    annotations = json.loads(json.dumps(first.annotations))
    opened = rig.open().decrypt(first.ciphertext, rig.key_id, annotations)
    assert isinstance(opened, bytearray)
    assert opened == DATA_KEY


def test_no_server_is_an_outage(remote: Rig) -> None:
    """Nobody listens there."""
    assert remote.at is not None
    with pytest.raises(KMSUnavailableError):
        remote.open(remote.at("http://127.0.0.1:1")).encrypt(DATA_KEY, remote.key_id, {})


def test_a_server_that_hangs_is_an_outage(remote: Rig, serve: Any, answer: Any) -> None:
    """In the time that settings give it."""

    def hang(_: Any) -> Any:
        time.sleep(1.0)
        return answer()

    assert remote.at is not None
    access = replace(remote.at(serve(hang).url), timeout_seconds=0.5)
    kms = remote.open(access)
    before = time.monotonic()
    with pytest.raises(KMSUnavailableError):
        kms.encrypt(DATA_KEY, remote.key_id, {})
    # Half a second, and time for a busy machine.
    assert time.monotonic() - before < 8


def test_believes_the_configured_roots_alone(
    remote: Rig, serve: Any, answer: Any, tmp_path: Path
) -> None:
    """Another authority's server is not spoken to; with its own, it is."""
    authority, other = (Authority.make(tmp_path, name) for name in ("own", "other"))
    certificate, key = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve(
        answer(200, {}, b"no sense"), wrap=lambda it: context.wrap_socket(it, server_side=True)
    )
    assert remote.at is not None
    access = remote.at(f"https://localhost:{server.port}")
    for roots, kind in ((other, TLSError), (authority, KMSAnswerError)):
        trusting = replace(access, root_certificates=roots.file.read_text())
        with pytest.raises(kind):
            remote.open(trusting).encrypt(DATA_KEY, remote.key_id, {})
    assert len(server.calls) == 1


def test_no_redirect_is_followed(remote: Rig, serve: Any, answer: Any) -> None:
    """Credentials stay with the server that settings name."""
    elsewhere = serve(answer())
    redirect = answer(307, {"Location": f"{elsewhere.url}/"}, b"")
    assert remote.at is not None
    with pytest.raises(KMSAnswerError):
        remote.open(remote.at(serve(redirect).url)).encrypt(DATA_KEY, remote.key_id, {})
    assert elsewhere.calls == []


SENSELESS: list[tuple[int, bytes, type[GuestError]]] = [
    (200, b"", KMSAnswerError),
    (200, b"<html>", KMSAnswerError),
    (200, b"{}", KMSAnswerError),
    (200, b"[" * 100_000, KMSAnswerError),
    (200, b" " * 1_100_000, KMSAnswerError),
    (200, b"\xff\xfe", KMSAnswerError),
    (503, b"busy", KMSUnavailableError),
    (500, b"{}", KMSUnavailableError),
    (418, b"teapot", GuestError),
]


def test_answers_without_sense_are_typed(remote: Rig, serve: Any, answer: Any) -> None:
    """Empty, of another form, nested without end, too large; each is asked for once."""
    assert remote.at is not None
    server = serve(answer())
    kms = remote.open(remote.at(server.url))
    for status, body, kind in SENSELESS:
        server.script = [answer(status, {"Content-Type": "application/json"}, body)]
        with pytest.raises(kind):
            kms.encrypt(DATA_KEY, remote.key_id, {})
    assert len(server.calls) == len(SENSELESS)


def test_nothing_secret_is_logged(rig: Rig, caplog: Any, capfd: Any) -> None:
    """Neither keys nor credentials, with every logger at its most talkative."""
    caplog.set_level(logging.DEBUG)
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, rig.key_id, rig.annotations)
    opened = kms.decrypt(wrapped.ciphertext, rig.key_id, wrapped.annotations)
    with pytest.raises(GuestError) as caught:
        kms.decrypt(wrapped.ciphertext, rig.other_key_id, wrapped.annotations)
    shown = capfd.readouterr()
    # The services themselves run in threads of their own, and talk of what they like.
    logged = [each.getMessage() for each in caplog.records if each.threadName == "MainThread"]
    said = "".join((*logged, shown.out, shown.err, repr(kms), repr(wrapped), str(caught.value)))
    for secret in (*rig.credentials, b64_encode(bytes(opened)), repr(DATA_KEY), DATA_KEY.hex()):
        assert secret not in said
