"""Google Cloud KMS, simulated after its REST reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kms_rigs import Rig
from kms_rigs.gcp import CLOUDS, HOST, crc32c

from guest.errors import (
    KMSAnswerError,
    KMSCredentialsError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms import crc32c as ours
from guest.wire.encoding import b64_encode

DATA_KEY = bytes(range(32))
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def rig(rig_of: Callable[[str], Rig]) -> Rig:
    """The service."""
    return rig_of("gcp")


def test_gives_no_secrets(rig: Rig) -> None:
    """Cloud KMS keeps keys alone."""
    with pytest.raises(KMSUnsupportedError):
        rig.open().get_secret("password", {})


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "external_account"},
        {"type": "authorized_user"},
        {"type": 5},
        {"private_key": "none"},
        {"private_key": 5},
        {"client_email": None},
    ],
)
def test_takes_keys_of_service_accounts_alone(
    rig: Rig, tmp_path: Path, changed: dict[str, Any]
) -> None:
    """Other types name programs to run, and URLs to get tokens from."""
    account = json.loads((rig.access.folder / "credential.json").read_text())
    (tmp_path / "credential.json").write_text(json.dumps({**account, **changed}))
    with pytest.raises(KMSCredentialsError):
        rig.open(replace(rig.access, folder=tmp_path))


def test_another_key_of_the_account_is_denied(rig: Rig, tmp_path: Path) -> None:
    """The service checks the signature."""
    files = (rig.access.folder, rig.denied.folder)
    good, other = (json.loads((each / "credential.json").read_text()) for each in files)
    forged = {**good, "private_key": other["private_key"]}
    (tmp_path / "credential.json").write_text(json.dumps(forged))
    with pytest.raises(KMSDeniedError):
        rig.open(replace(rig.access, folder=tmp_path)).encrypt(DATA_KEY, rig.key_id, {})


REASONS = [
    (400, NotDecryptedError),
    (403, KMSDeniedError),
    (404, KMSNotFoundError),
    (409, KMSAnswerError),
    (429, KMSUnavailableError),
    (503, KMSUnavailableError),
    (504, KMSUnavailableError),
]


def test_reasons_of_the_service_are_told_apart(rig: Rig, serve: Any, answer: Any) -> None:
    """By status; nothing is asked twice."""
    assert rig.at is not None
    served = serve(answer())
    kms = rig.open(rig.at(served.url))
    for status, kind in REASONS:
        body = json.dumps({"error": {"code": status, "message": "no"}}).encode()
        served.script = [answer(status, JSON, body)]
        with pytest.raises(kind):
            kms.decrypt(b"x", rig.key_id, {})
    assert len(served.calls) == len(REASONS)


def test_what_was_damaged_on_the_way_is_refused(rig: Rig, serve: Any, answer: Any) -> None:
    """By checksums, both ways, and by the name of the key that was used."""
    assert rig.at is not None
    served = serve(answer())
    kms = rig.open(rig.at(served.url))
    whole = {
        "name": f"{rig.key_id}/cryptoKeyVersions/1",
        "ciphertext": b64_encode(b"made"),
        "ciphertextCrc32c": str(crc32c(b"made")),
        "verifiedPlaintextCrc32c": True,
        "verifiedAdditionalAuthenticatedDataCrc32c": True,
    }
    served.script = [answer(200, JSON, json.dumps(whole).encode())]
    assert kms.encrypt(DATA_KEY, rig.key_id, rig.annotations).ciphertext == b"made"
    for changed in (
        {"ciphertextCrc32c": "1"},
        {"ciphertextCrc32c": None},
        {"verifiedPlaintextCrc32c": False},
        {"verifiedAdditionalAuthenticatedDataCrc32c": False},
        {"name": rig.other_key_id},
    ):
        served.script = [answer(200, JSON, json.dumps({**whole, **changed}).encode())]
        with pytest.raises(KMSAnswerError):
            kms.encrypt(DATA_KEY, rig.key_id, rig.annotations)
    for sums in ({}, {"plaintextCrc32c": "1"}):
        body = json.dumps({"plaintext": b64_encode(b"opened"), **sums}).encode()
        served.script = [answer(200, JSON, body)]
        with pytest.raises(KMSAnswerError):
            kms.decrypt(b"made", rig.key_id, {})


def test_the_checksum_is_that_of_its_definition() -> None:
    """RFC 3720, B.4, and another implementation."""
    assert ours.crc32c(bytes(32)) == 0x8A9136AA
    assert ours.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert ours.crc32c(b"123456789") == 0xE3069283 == crc32c(b"123456789")


def test_nobody_but_the_service_is_asked(rig: Rig) -> None:
    """The guest makes its token itself."""
    cloud = CLOUDS[str(rig.access.endpoint)]
    cloud.asked.clear()
    rig.open().encrypt(DATA_KEY, rig.key_id, {})
    assert [each.host for each in cloud.asked] == [HOST]


def test_older_versions_open(rig: Rig) -> None:
    """After a rotation."""
    kms = rig.open()
    wrapped = kms.encrypt(DATA_KEY, rig.other_key_id, {})
    CLOUDS[str(rig.access.endpoint)].keys[rig.other_key_id].append(bytes(32))
    assert kms.encrypt(DATA_KEY, rig.other_key_id, {}).ciphertext[0] == 2
    assert kms.decrypt(wrapped.ciphertext, rig.other_key_id, {}) == DATA_KEY


def test_a_name_is_checked_whole(rig: Rig) -> None:
    """A project may be of a domain."""
    with pytest.raises(MalformedSecretError):
        rig.open().decrypt(b"x", f"{rig.key_id}/x", {})
    scoped = "projects/example.com:team/locations/eu/keyRings/r/cryptoKeys/k"
    with pytest.raises(KMSNotFoundError):
        rig.open().encrypt(DATA_KEY, scoped, {})
