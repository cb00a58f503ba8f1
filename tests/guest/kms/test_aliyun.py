"""Alibaba Cloud KMS: simulated, with signatures that are checked, and its own library beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_kms20160120.client import Client
from alibabacloud_kms20160120.models import GetSecretValueRequest
from alibabacloud_tea_openapi.utils_models import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    PrivateFormat,
    pkcs12,
)
from kms_rigs import Rig
from kms_rigs.aliyun import CLOUDS, GATEWAY, MESSAGES, PASSWORD, REGION, ROLE, SESSION

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
from guest.kms.aliyun_signing import SessionKey
from guest.wire.encoding import b64_encode

DATA_KEY = bytes(range(32))
BY_ROLE = {"client_type": "ecs_ram_role", "kms_instance_id": ..., "client_key_id": ...}
BY_TOKEN = {
    "client_type": "sts_token",
    "kms_instance_id": ...,
    "client_key_id": ...,
    "region_id": REGION,
    "token_path": "token",
}


@pytest.fixture
def rig(rig_of: Callable[[str], Rig], tmp_path: Path) -> Rig:
    """The service; files for the shared gateway lie beside those of the instance."""
    rig = rig_of("aliyun")
    for file in rig.access.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    role = {"ecs_ram_role_name": ROLE, "region_id": REGION}
    (tmp_path / "ecsRamRole.json").write_text(json.dumps(role))
    (tmp_path / "token").write_text(":".join(SESSION.values()))
    return replace(rig, access=replace(rig.access, folder=tmp_path))


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../token", "a/../token", "./token", "none/token", "/tmp/token", ".."],
)
def test_a_token_path_leads_to_the_credentials_alone(rig: Rig, path: str) -> None:
    """Upstream reads whatever file the author of a secret names."""
    with pytest.raises(MalformedSecretError):
        rig.open(**{**BY_TOKEN, "token_path": path})


@pytest.mark.parametrize("content", ["", "a:b", "a:b:c:d", "a::c", "a:b\x00:c", "a:b:\n"])
def test_refuses_tokens_of_another_form(rig: Rig, content: str) -> None:
    """Three parts, none of them empty."""
    (rig.access.folder / "token").write_text(content)
    with pytest.raises(KMSCredentialsError):
        rig.open(**BY_TOKEN)


@pytest.mark.parametrize("region", [..., "", "eu", "attacker.example/", "eu-central-1.x", 5])
def test_refuses_regions_that_are_none(rig: Rig, region: Any) -> None:
    """They become a part of a host's name."""
    with pytest.raises(MalformedSecretError):
        rig.open(**{**BY_TOKEN, "region_id": region})


@pytest.mark.parametrize(
    "role",
    [{}, {"ecs_ram_role_name": "../x", "region_id": REGION}, {"ecs_ram_role_name": ROLE}],
)
def test_refuses_roles_that_are_none(rig: Rig, role: dict[str, str]) -> None:
    """They become a part of a path."""
    (rig.access.folder / "ecsRamRole.json").write_text(json.dumps(role))
    with pytest.raises(KMSCredentialsError):
        rig.open(**BY_ROLE)


def test_a_machine_without_the_role_is_denied(rig: Rig) -> None:
    """By its metadata service."""
    role = {"ecs_ram_role_name": "other", "region_id": REGION}
    (rig.access.folder / "ecsRamRole.json").write_text(json.dumps(role))
    with pytest.raises(KMSDeniedError):
        rig.open(**BY_ROLE)


def test_metadata_without_credentials_are_refused(rig: Rig, serve: Any, answer: Any) -> None:
    """Of another form, too; and a service that is down is an outage."""
    served = serve(answer(200, {}, b'{"AccessKeyId":"x"}'))
    with pytest.raises(KMSAnswerError):
        rig.open(replace(rig.access, authority=served.url), **BY_ROLE)
    served.script = [answer(503)]
    with pytest.raises(KMSUnavailableError):
        rig.open(replace(rig.access, authority=served.url), **BY_ROLE)


@pytest.mark.parametrize("settings", [BY_ROLE, BY_TOKEN])
def test_the_gateway_decrypts_nothing(rig: Rig, settings: dict[str, Any]) -> None:
    """As upstream's; nor does it encrypt."""
    kms = rig.open(**settings)
    assert not hasattr(kms, "encrypt")
    with pytest.raises(KMSUnsupportedError):
        kms.decrypt(b"x", rig.key_id, {})


@pytest.mark.parametrize("settings", [{}, BY_ROLE, BY_TOKEN])
def test_secrets_come_by_version(rig: Rig, settings: dict[str, Any]) -> None:
    """In each way; upstream's empty texts ask for the newest."""
    kms = rig.open(**settings)
    assert kms.get_secret("db", {}) == b"the password"
    assert kms.get_secret("db", {"version_stage": "", "version_id": ""}) == b"the password"
    assert kms.get_secret("db", {"version_stage": "ACSPrevious"}) == b"an older one"
    with pytest.raises(KMSNotFoundError):
        kms.get_secret("none", {})
    for name, bad in (("a b", {}), ("db", {"version_id": 5}), ("db", {"iv": ""})):
        with pytest.raises(MalformedSecretError):
            kms.get_secret(name, bad)


def test_credentials_of_the_gateway_stay_out_of_urls(rig: Rig) -> None:
    """They are in headers, where nobody logs them."""
    cloud = CLOUDS[str(rig.access.endpoint)]
    cloud.asked.clear()
    rig.open(**BY_TOKEN).get_secret("db", {})
    (asked,) = cloud.asked
    assert asked.host == GATEWAY
    assert not any(value in asked.path for value in SESSION.values())


def test_wrong_credentials_of_the_gateway_are_denied(rig: Rig) -> None:
    """The id, the secret and the token are each checked."""
    for index in range(3):
        parts = list(SESSION.values())
        parts[index] = "other"
        (rig.access.folder / "token").write_text(":".join(parts))
        with pytest.raises(KMSDeniedError):
            rig.open(**BY_TOKEN).get_secret("db", {})


def test_alibabas_own_library_is_answered_the_same(rig: Rig) -> None:
    """The simulated gateway takes its signatures, and ours are what it would have made."""
    host = str(rig.access.endpoint).removeprefix("http://")
    config = Config(
        access_key_id=SESSION["AccessKeyId"],
        access_key_secret=SESSION["AccessKeySecret"],
        security_token=SESSION["SecurityToken"],
        endpoint=host,
        protocol="http",
    )
    cloud = CLOUDS[str(rig.access.endpoint)]
    cloud.asked.clear()
    # Its library has no name for the gateway besides the address that it asks.
    cloud.gateways.add(host)
    request = GetSecretValueRequest(secret_name="db", version_stage="ACSPrevious")
    assert Client(config).get_secret_value(request).body.secret_data == "an older one"
    headers = {name.lower(): value for name, value in cloud.asked[-1].headers.items()}
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    query = cloud.asked[-1].path.partition("?")[2]
    again = SessionKey(*SESSION.values()).authorization(
        query, {each: headers[each] for each in names}
    )
    assert again == headers["authorization"]


REASONS = [
    (400, "InvalidParameter", NotDecryptedError),
    (403, "Forbidden.NoPermission", KMSDeniedError),
    (404, "Forbidden.KeyNotFound", KMSNotFoundError),
    (409, "Rejected.Disabled", KMSAnswerError),
    (429, "Rejected.Throttling", KMSUnavailableError),
    (400, "Rejected.Throttling", KMSUnavailableError),
    (500, "InternalFailure", KMSUnavailableError),
]


def test_reasons_of_an_instance_are_told_apart(rig: Rig, serve: Any, answer: Any) -> None:
    """By status and code."""
    assert rig.at is not None
    served = serve(answer())
    kms = rig.open(replace(rig.at(served.url), folder=rig.access.folder))
    for status, code, kind in REASONS:
        body = MESSAGES["Error"](ErrorCode=code).SerializeToString()
        served.script = [answer(status, {}, body)]
        with pytest.raises(kind):
            kms.decrypt(b"x", rig.key_id, {"iv": b64_encode(bytes(12))})


def test_answers_without_content_are_refused(rig: Rig, serve: Any, answer: Any) -> None:
    """A message of another kind reads as an empty one."""
    assert rig.at is not None
    served = serve(answer(200, {}, b""))
    kms = rig.open(replace(rig.at(served.url), folder=rig.access.folder))
    with pytest.raises(KMSAnswerError):
        kms.decrypt(b"x", rig.key_id, {"iv": b64_encode(bytes(12))})
    with pytest.raises(KMSAnswerError):
        kms.get_secret("db", {})


def test_an_instance_has_a_root_of_its_own(rig: Rig) -> None:
    """Without it nobody is asked."""
    (path,) = rig.access.folder.glob("PrivateKmsCA_*.pem")
    path.write_text("none")
    with pytest.raises(KMSCredentialsError):
        rig.open()
    path.unlink()
    with pytest.raises(KMSCredentialsError):
        rig.open()


def test_the_client_key_opens_with_its_password(rig: Rig) -> None:
    """With no other, and when it is an RSA key."""
    (rig.access.folder / "password_KAAP.guest.json").write_text("other")
    with pytest.raises(KMSCredentialsError):
        rig.open()
    (rig.access.folder / "password_KAAP.guest.json").write_text(PASSWORD)
    other = pkcs12.serialize_key_and_certificates(
        b"key", ec.generate_private_key(ec.SECP256R1()), None, None,
        BestAvailableEncryption(PASSWORD.encode()),
    )  # fmt: skip
    file = rig.access.folder / "clientKey_KAAP.guest.json"
    file.write_text(json.dumps({"KeyId": "KAAP.guest", "PrivateKeyData": b64_encode(other)}))
    with pytest.raises(KMSCredentialsError):
        rig.open()


def test_client_keys_of_the_old_encryption_open(rig: Rig) -> None:
    """The service gives them out so."""
    key = rsa.generate_private_key(65537, 2048)
    old = (
        PrivateFormat.PKCS12.encryption_builder()
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  (as the service does)
        .build(PASSWORD.encode())
    )
    data = pkcs12.serialize_key_and_certificates(b"key", key, None, None, old)
    file = rig.access.folder / "clientKey_KAAP.guest.json"
    file.write_text(json.dumps({"KeyId": "KAAP.old", "PrivateKeyData": b64_encode(data)}))
    cloud = CLOUDS[str(rig.access.endpoint)]
    cloud.clients["KAAP.old"] = key.public_key()
    cloud.allowed.add("KAAP.old")
    assert rig.open().encrypt(DATA_KEY, rig.key_id, {}).ciphertext
