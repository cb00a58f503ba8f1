"""KMIP, with PyKMIP's server, and with servers that do as they are told."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kms_rigs import Rig
from kms_rigs.kmip import KEK

from guest.errors import (
    ConfigError,
    GuestError,
    KMSAnswerError,
    KMSCredentialsError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
    TLSError,
)
from guest.kms.ttlv import BYTES, ENUMERATION, Item, structure
from guest.wire.encoding import b64_decode, b64_encode

DATA_KEY = bytes(range(32))
IV = {"iv": b64_encode(bytes(12))}


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The service."""
    return rig_of("kmip")


@contextmanager
def answering(
    folder: Path, answer: Callable[[ssl.SSLSocket], None], host: str = "127.0.0.1"
) -> Iterator[tuple[int, str]]:
    """Port and root of a TLS server that reads a request and does this."""
    authority = Authority.make(folder, "answering")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    with socket.create_server((host, 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(4096)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], authority.file.read_text()
        # One who still waits is let go.
        with suppress(OSError):
            socket.create_connection(listening.getsockname()).close()
        thread.join(5)


def ask(
    rig: Rig, folder: Path, answer: Callable[[ssl.SSLSocket], None], seconds: float = 10.0
) -> bytearray:
    """What the driver makes of an answer to a decryption."""
    with answering(folder, answer) as (port, root):
        access = replace(
            rig.access,
            endpoint=f"localhost:{port}",
            root_certificates=root,
            timeout_seconds=seconds,
        )
        opened: bytearray = rig.open(access).decrypt(bytes(48), "1", IV)
        return opened


def response(*batch: Item) -> bytes:
    """A message with one item of a batch."""
    return structure(0x42007B, structure(0x42007A), structure(0x42000F, *batch)).encode()


def failure(reason: int) -> bytes:
    """A message that an operation failed."""
    return response(Item(0x42007F, ENUMERATION, 1), Item(0x42007E, ENUMERATION, reason))


def test_needs_a_server(rig: Rig) -> None:
    """Which is for the guest's settings to name."""
    with pytest.raises(ConfigError, match=r"kms\.kmip\.endpoint"):
        rig.open(replace(rig.access, endpoint=None))


def test_gives_no_secrets(rig: Rig) -> None:
    """Keys stay in the server."""
    with pytest.raises(KMSUnsupportedError):
        rig.open().get_secret("1", {})


def test_no_server_is_an_outage(rig: Rig) -> None:
    """Nobody listens there."""
    access = replace(rig.access, endpoint="127.0.0.1:1")
    with pytest.raises(KMSUnavailableError):
        rig.open(access).encrypt(DATA_KEY, rig.key_id, {})


def test_believes_the_configured_roots_alone(rig: Rig, tmp_path: Path) -> None:
    """Another authority's server is sent nothing."""
    other = Authority.make(tmp_path, "other").file.read_text()
    with pytest.raises(TLSError):
        rig.open(replace(rig.access, root_certificates=other)).encrypt(DATA_KEY, rig.key_id, {})


def test_believes_the_configured_name_alone(rig: Rig, tmp_path: Path) -> None:
    """The address is the server's, its root is right, and its certificate says another name."""
    served: list[ssl.SSLSocket] = []
    with answering(tmp_path, served.append, host="127.0.0.2") as (port, root):
        access = replace(rig.access, endpoint=f"127.0.0.2:{port}", root_certificates=root)
        with pytest.raises(TLSError):
            rig.open(access).encrypt(DATA_KEY, rig.key_id, {})
    assert served == []


def test_a_server_that_hangs_is_an_outage(rig: Rig, tmp_path: Path) -> None:
    """Also one that drips."""

    def drip(connection: ssl.SSLSocket) -> None:
        for octet in failure(1):
            connection.sendall(bytes([octet]))
            time.sleep(0.3)

    for answer in (lambda _: time.sleep(1.0), drip):
        before = time.monotonic()
        with pytest.raises(KMSUnavailableError):
            ask(rig, tmp_path, answer, 0.5)
        assert time.monotonic() - before < 8


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("42007B0100200000"),
        bytes.fromhex("42007B01FFFFFFFF"),
        structure(0x420078).encode(),
        structure(0x42007B).encode(),
        response(),
        response(Item(0x42007F, ENUMERATION, 0)),
        response(Item(0x42007F, ENUMERATION, 0), structure(0x42007C)),
        response(
            Item(0x42007F, ENUMERATION, 0), structure(0x42007C, Item(0x4200C2, ENUMERATION, 1))
        ),
        response(Item(0x42007F, ENUMERATION, 0), structure(0x42007C, Item(0x4200C2, BYTES, b""))),
        response(Item(0x42007F, ENUMERATION, 1)),
        response(Item(0x42007F, ENUMERATION, 1), Item(0x42007E, BYTES, b"x")),
    ],
)
def test_answers_without_sense_are_typed(rig: Rig, tmp_path: Path, answer: bytes) -> None:
    """Of another form, too large, empty."""
    with pytest.raises(KMSAnswerError):
        ask(rig, tmp_path, lambda connection: connection.sendall(answer))


@pytest.mark.parametrize("answer", [b"", failure(1)[:7], failure(1)[:20], failure(1)[:-1]])
def test_an_answer_that_breaks_off_is_an_outage(rig: Rig, tmp_path: Path, answer: bytes) -> None:
    """Wherever it does."""
    with pytest.raises(KMSUnavailableError):
        ask(rig, tmp_path, lambda connection: connection.sendall(answer))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (0x01, KMSNotFoundError),
        (0x03, KMSDeniedError),
        (0x07, MalformedSecretError),
        (0x0A, NotDecryptedError),
        (0x0C, KMSDeniedError),
        (0x37, KMSNotFoundError),
        (0x3A, KMSUnavailableError),
        (0x100, NotDecryptedError),
    ],
)
def test_reasons_of_the_server_are_told_apart(
    rig: Rig, tmp_path: Path, reason: int, kind: type[GuestError]
) -> None:
    """By the numbers of the standard."""
    with pytest.raises(kind):
        ask(rig, tmp_path, lambda connection: connection.sendall(failure(reason)))


def test_a_key_that_is_not_active_is_denied(rig: Rig) -> None:
    """It is the third that was made."""
    with pytest.raises(KMSDeniedError):
        rig.open().encrypt(DATA_KEY, "3", {})


def test_the_private_key_fits_and_is_not_encrypted(rig: Rig, tmp_path: Path) -> None:
    """Nobody is asked for its password."""
    for name in ("certificate.pem", "private_key.pem"):
        shutil.copy(rig.access.folder / name, tmp_path / name)
    shutil.copy(rig.denied.folder / "private_key.pem", tmp_path / "private_key.pem")
    with pytest.raises(KMSCredentialsError):
        rig.open(replace(rig.access, folder=tmp_path))
    pem = (rig.access.folder / "private_key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (tmp_path / "private_key.pem").write_bytes(encrypted)
    with pytest.raises(KMSCredentialsError):
        rig.open(replace(rig.access, folder=tmp_path))


def test_the_form_is_that_of_aes_gcm(rig: Rig) -> None:
    """Whoever has a copy of the key opens it without the server, and the other way round."""
    wrapped = rig.open().encrypt(DATA_KEY, rig.key_id, {"aad": "app"})
    iv = b64_decode(wrapped.annotations["iv"])
    assert AESGCM(KEK).decrypt(iv, wrapped.ciphertext, b"app") == DATA_KEY
    made = AESGCM(KEK).encrypt(bytes(12), b"k", None)
    assert rig.open().decrypt(made, rig.key_id, IV) == b"k"
