"""Alibaba Cloud KMS, simulated: a dedicated instance, the shared gateway, and a machine's metadata.

Both check signatures: the instance as upstream's driver makes them, the gateway those of its own
library, too. Messages of the instance are read and written by Google's protobuf.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from certificates import Authority
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from guest.kms_settings import KMSAccess
from guest.wire.encoding import b64_decode, b64_encode
from kms_rigs.rig import Credentials, Rig, towards
from kms_rigs.simulated import Asked, Said, serving

INSTANCE = "kst-team1"
REGION = "eu-central-1"
ROLE = "guest-role"
PASSWORD = "password of the client key"
SECRETS = {("db", "ACSCurrent"): "the password", ("db", "ACSPrevious"): "an older one"}
SESSION = {
    "AccessKeyId": "STS.guest",
    "AccessKeySecret": "its secret",
    "SecurityToken": "its token",
}
DEDICATED, GATEWAY = f"{INSTANCE}.cryptoservice.kms.aliyuncs.com", f"kms.{REGION}.aliyuncs.com"

_TYPES = {"text": 9, "bytes": 12, "flag": 8, "number": 5}
_MESSAGES = {
    "EncryptRequest": {"KeyId": 1, "Algorithm": 3, "PaddingMode": 6} | {"Plaintext": -2, "Iv": -5},
    "EncryptResponse": {"KeyId": 1, "CiphertextBlob": -2, "Iv": -3, "RequestId": 4},
    "DecryptRequest": {"CiphertextBlob": -1, "KeyId": 2, "Algorithm": 3, "Aad": -4, "Iv": -5},
    "DecryptResponse": {"KeyId": 1, "Plaintext": -2, "RequestId": 3},
    "GetSecretValueRequest": {"SecretName": 1, "VersionStage": 2, "VersionId": 3},
    "GetSecretValueResponse": {"SecretName": 1, "SecretType": 2, "SecretData": 3},
    "Error": {"ErrorCode": 2, "ErrorMessage": 3, "RequestId": 4},
}


def _messages() -> dict[str, Any]:
    """Classes of the messages; a negative number is a field of bytes, others are texts."""
    file = descriptor_pb2.FileDescriptorProto(name="dkms.proto", package="dkms", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for label, number in fields.items():
            kind = _TYPES["bytes" if number < 0 else "text"]
            message.field.add(name=label, number=abs(number), type=kind, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = message_factory.GetMessages([file], pool)
    return {name.removeprefix("dkms."): kind for name, kind in found.items()}


MESSAGES = _messages()


@dataclass
class Cloud:
    """What the three hosts know.

    Attributes:
        clients: public keys of client keys, by id.
        allowed: those that may use keys and secrets.
        keys: AES keys by id.
        sessions: secrets and tokens of temporary access keys, by id.
        gateways: names under which the gateway answers.
        asked: requests.
    """

    clients: dict[str, Any] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    keys: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    gateways: set[str] = field(default_factory=lambda: {GATEWAY})
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Said:
        """The answer to a request."""
        self.asked.append(asked)
        if asked.host == DEDICATED:
            status, message = self._dedicated(asked)
            return Said(
                status, message.SerializeToString(), {"Content-Type": "application/x-protobuf"}
            )
        if asked.host == "100.100.100.200":
            if asked.path != f"/latest/meta-data/ram/security-credentials/{ROLE}":
                return Said(404, b"")
            return Said(200, {"Code": "Success", **SESSION})
        if asked.host in self.gateways:
            return self._gateway(asked)
        return Said(404, {"Code": "NoSuchHost"})

    def _dedicated(self, asked: Asked) -> tuple[int, Any]:
        headers = asked.headers
        client, operation = headers["x-kms-acccesskeyid"], headers["x-kms-apiname"]
        if client not in self.clients or not _signed(self.clients[client], asked):
            return 403, MESSAGES["Error"](ErrorCode="Forbidden.InvalidSignature")
        if client not in self.allowed:
            return 403, MESSAGES["Error"](ErrorCode="Forbidden.NoPermission")
        request = MESSAGES[f"{operation}Request"].FromString(asked.body)
        run = {"Encrypt": self._encrypt, "Decrypt": self._decrypt}.get(operation, _secret)
        return run(request)

    def _encrypt(self, request: Any) -> tuple[int, Any]:
        if request.KeyId not in self.keys:
            return 404, MESSAGES["Error"](ErrorCode="Forbidden.KeyNotFound")
        assert request.Algorithm == "AES_GCM"
        iv = secrets.token_bytes(12)
        made = AESGCM(self.keys[request.KeyId]).encrypt(iv, request.Plaintext, None)
        return 200, MESSAGES["EncryptResponse"](KeyId=request.KeyId, CiphertextBlob=made, Iv=iv)

    def _decrypt(self, request: Any) -> tuple[int, Any]:
        if request.KeyId not in self.keys:
            return 404, MESSAGES["Error"](ErrorCode="Forbidden.KeyNotFound")
        try:
            key = AESGCM(self.keys[request.KeyId])
            opened = key.decrypt(request.Iv, request.CiphertextBlob, request.Aad or None)
        except (InvalidTag, ValueError):
            return 400, MESSAGES["Error"](ErrorCode="InvalidParameter")
        return 200, MESSAGES["DecryptResponse"](KeyId=request.KeyId, Plaintext=opened)

    def _gateway(self, asked: Asked) -> Said:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        scheme, _, fields = headers["authorization"].partition(" ")
        given = dict(part.split("=", 1) for part in fields.split(","))
        secret, token = self.sessions.get(given["Credential"], ("", ""))
        if not secret:
            return Said(404, {"Code": "InvalidAccessKeyId.NotFound"})
        names = given["SignedHeaders"].split(";")
        digest = hashlib.sha256(asked.body).hexdigest()
        url = urlsplit(asked.path)
        pairs = sorted(parse_qsl(url.query, keep_blank_values=True))
        query = "&".join(f"{quote(name, '~')}={quote(value, '~')}" for name, value in pairs)
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        text = f"{asked.method}\n{url.path}\n{query}\n{lines}\n{';'.join(names)}\n{digest}"
        signed = f"{scheme}\n{hashlib.sha256(text.encode()).hexdigest()}".encode()
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        needed = {"host", "x-acs-date", "x-acs-action", "x-acs-signature-nonce", "x-acs-version"}
        if scheme != "ACS3-HMAC-SHA256" or not needed <= set(names):
            return Said(400, {"Code": "IncompleteSignature"})
        if given["Signature"] != expected or headers["x-acs-content-sha256"] != digest:
            return Said(400, {"Code": "SignatureDoesNotMatch"})
        if headers.get("x-acs-security-token") != token:
            return Said(400, {"Code": "InvalidSecurityToken.Malformed"})
        asked_for = dict(pairs)
        stage = asked_for.get("VersionStage") or "ACSCurrent"
        found = SECRETS.get((asked_for["SecretName"], stage))
        if found is None:
            return Said(404, {"Code": "Forbidden.ResourceNotFound", "HttpStatus": 404})
        return Said(200, {"SecretName": asked_for["SecretName"], "SecretData": found})


def _secret(request: Any) -> tuple[int, Any]:
    found = SECRETS.get((request.SecretName, request.VersionStage or "ACSCurrent"))
    if found is None:
        return 404, MESSAGES["Error"](ErrorCode="Forbidden.ResourceNotFound")
    return 200, MESSAGES["GetSecretValueResponse"](SecretName=request.SecretName, SecretData=found)


def _signed(key: Any, asked: Asked) -> bool:
    """Whether a request is signed as the instance wants it, and now."""
    headers = {name.lower(): value for name, value in asked.headers.items()}
    digest = hashlib.sha256(asked.body).hexdigest().upper()
    lines = sorted(
        f"{name}:{value}\n" for name, value in headers.items() if name.startswith("x-kms-")
    )
    kind, date = headers["content-type"], headers["date"]
    text = f"POST\n{digest}\n{kind}\n{date}\n{''.join(lines)}/"
    signature = b64_decode(headers["authorization"].removeprefix("Bearer "))
    if abs(datetime.now(UTC) - parsedate_to_datetime(date)) > timedelta(minutes=15):
        return False
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return headers["content-sha256"] == digest and headers["x-kms-apiversion"] == "dkms-gcs-0.2"


def _files(key_id: str, key: rsa.RSAPrivateKey, root: str) -> dict[str, Any]:
    """The files of a client key under the id that the settings name, whoever's it is."""
    sealed = BestAvailableEncryption(PASSWORD.encode())
    data = pkcs12.serialize_key_and_certificates(b"key", key, None, None, sealed)
    return {
        "clientKey_KAAP.guest.json": {"KeyId": key_id, "PrivateKeyData": b64_encode(data)},
        "password_KAAP.guest.json": f"{PASSWORD}\n",
        f"PrivateKmsCA_{INSTANCE}.pem": root,
    }


CLOUDS: dict[str, Cloud] = {}


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """An instance with two keys, a client key that may use them, and one that may not."""
    cloud = Cloud(keys={"key-1": secrets.token_bytes(32), "alias/kek2": secrets.token_bytes(32)})
    cloud.sessions[SESSION["AccessKeyId"]] = (SESSION["AccessKeySecret"], SESSION["SecurityToken"])
    root = Authority.make(folder, "instance").file.read_text()
    folders = []
    for name in ("guest", "stranger"):
        key = rsa.generate_private_key(65537, 2048)
        cloud.clients[f"KAAP.{name}"] = key.public_key()
        files = _files(f"KAAP.{name}", key, root)
        folders.append(Credentials(folder / name, files).written())
    cloud.allowed.add("KAAP.guest")
    with serving(cloud) as url:
        CLOUDS[url] = cloud
        access = KMSAccess(folders[0], url, authority=url, timeout_seconds=10.0)
        client_key = json.loads((folders[0] / "clientKey_KAAP.guest.json").read_text())
        yield Rig(
            provider="aliyun",
            settings={
                "client_type": "client_key",
                "kms_instance_id": INSTANCE,
                "client_key_id": "KAAP.guest",
            },
            access=access,
            key_id="key-1",
            other_key_id="alias/kek2",
            missing_key_id="none",
            annotations={},
            changed=({}, {"iv": ""}, {"iv": b64_encode(bytes(12))}, {"iv": "AAAA"}),
            denied=replace(access, folder=folders[1]),
            bad_settings=(
                {"client_type": ...},
                {"client_type": 5},
                {"client_type": "other"},
                {"kms_instance_id": ...},
                {"kms_instance_id": "attacker.example/"},
                {"kms_instance_id": "a.b"},
                {"client_key_id": "../other"},
                {"client_key_id": ""},
                {"endpoint": "https://attacker.example"},
            ),
            bad_key_ids=("", "key 1", "key\n", "k" * 257),
            bad_annotations=({"iv": "AAAAAAAAAAAAAAAA"}, {"aad": "x"}),
            credentials=(PASSWORD, client_key["PrivateKeyData"]),
            at=towards(access),
        )
