"""AWS KMS and Secrets Manager, as moto serves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from kms_rigs import Rig
from kms_rigs.aws import REGION, SECRET, SECRET_NAME

from guest.errors import (
    KMSAnswerError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    MalformedSecretError,
    NotDecryptedError,
)

DATA_KEY = bytes(range(32))


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The service."""
    return rig_of("aws")


def own_client(rig: Rig) -> Any:
    """AWS's library with the same credentials, without this project's driver."""
    keys = json.loads((rig.access.folder / "credential.json").read_text())
    session = boto3.session.Session(keys["access_key_id"], keys["secret_access_key"])
    return session.client("kms", endpoint_url=rig.access.endpoint, region_name=REGION)


def test_refuses_a_signature_of_another_key(rig: Rig, tmp_path: Any) -> None:
    """The service checks it."""
    keys = json.loads((rig.access.folder / "credential.json").read_text())
    (tmp_path / "credential.json").write_text(json.dumps({**keys, "secret_access_key": "other"}))
    with pytest.raises(KMSDeniedError):
        rig.open(replace(rig.access, folder=tmp_path)).encrypt(DATA_KEY, rig.key_id, {})


REASONS = [
    ("NotFoundException", 400, KMSNotFoundError),
    ("ResourceNotFoundException", 400, KMSNotFoundError),
    ("InvalidCiphertextException", 400, NotDecryptedError),
    ("IncorrectKeyException", 400, NotDecryptedError),
    ("AccessDeniedException", 400, KMSDeniedError),
    ("DisabledException", 400, KMSDeniedError),
    ("KMSInvalidStateException", 400, KMSDeniedError),
    ("ExpiredTokenException", 400, KMSDeniedError),
    ("ThrottlingException", 400, KMSUnavailableError),
    ("KMSInternalException", 500, KMSUnavailableError),
    ("ValidationException", 400, MalformedSecretError),
    ("Unheard", 409, KMSAnswerError),
]


def test_reasons_of_aws_are_told_apart(rig: Rig, serve: Any, answer: Any) -> None:
    """By the codes of its reference, with the shape that the service gives them."""
    assert rig.at is not None
    server = serve(answer())
    kms = rig.open(rig.at(server.url))
    for code, status, kind in REASONS:
        body = json.dumps({"__type": f"com.amazonaws.kms#{code}", "message": "no"}).encode()
        kind_of_body = {"Content-Type": "application/x-amz-json-1.1"}
        server.script = [answer(status, kind_of_body, body)]
        with pytest.raises(kind):
            kms.decrypt(b"x", rig.key_id, {})


@pytest.mark.parametrize("annotations", [{"version_id": 5}, {"version_stage": "\n"}, {"other": ""}])
def test_refuses_other_versions(rig: Rig, annotations: Any) -> None:
    """Before the service is asked."""
    with pytest.raises(MalformedSecretError):
        rig.open().get_secret(SECRET_NAME, annotations)


def test_a_missing_secret_is_not_found(rig: Rig) -> None:
    """Nor is a missing version; a name that is none is malformed."""
    kms = rig.open()
    with pytest.raises(KMSNotFoundError):
        kms.get_secret("none", {})
    with pytest.raises(KMSNotFoundError):
        kms.get_secret(SECRET_NAME, {"version_stage": "NONE"})
    with pytest.raises(MalformedSecretError):
        kms.get_secret("a\nb", {})


def test_secrets_come_by_version(rig: Rig) -> None:
    """The current one without a word; upstream's empty texts say nothing either."""
    kms = rig.open()
    assert kms.get_secret(SECRET_NAME, {}) == SECRET.encode()
    assert kms.get_secret(SECRET_NAME, {"version_id": "", "version_stage": ""}) == SECRET.encode()
    assert kms.get_secret(SECRET_NAME, {"version_stage": "AWSPREVIOUS"}) == b"an older one"
    assert kms.get_secret("binary", {}) == b"\x00\xff"


def test_an_alias_is_a_key_id(rig: Rig) -> None:
    """As people name keys."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, "alias/team", {})
    assert kms.decrypt(wrapped.ciphertext, "alias/team", {}) == DATA_KEY


def test_awss_own_library_opens_it(rig: Rig) -> None:
    """And the other way round: nothing of ours is in the ciphertext."""
    client, context = own_client(rig), {"app": "db"}
    wrapped = rig.open().encrypt(DATA_KEY, rig.key_id, {"encryption_context": context})
    answer = client.decrypt(CiphertextBlob=wrapped.ciphertext, EncryptionContext=context)
    assert answer["Plaintext"] == DATA_KEY
    blob = client.encrypt(KeyId=rig.key_id, Plaintext=b"k", EncryptionContext=context)
    opened = rig.open().decrypt(blob["CiphertextBlob"], rig.key_id, wrapped.annotations)
    assert opened == b"k"


def test_temporary_credentials_come_with_their_token(
    rig: Rig, serve: Any, answer: Any, tmp_path: Any
) -> None:
    """In the header that is signed."""
    assert rig.at is not None
    server = serve(answer(503, {}, b""))
    keys = {"access_key_id": "a", "secret_access_key": "s", "session_token": "the token"}
    (tmp_path / "credential.json").write_text(json.dumps(keys))
    with pytest.raises(KMSUnavailableError):
        rig.open(replace(rig.at(server.url), folder=tmp_path)).encrypt(b"k", rig.key_id, {})
    headers = server.calls[0].headers
    assert headers["X-Amz-Security-Token"] == "the token"
    assert "x-amz-security-token" in headers["Authorization"]
