"""Alibaba Cloud KMS, by names, members and files of upstream's driver (guest.md, section 7.5).

``provider_settings.client_type`` says how the service is reached:

- ``client_key``: a dedicated instance, ``kms_instance_id``, by a key pair, ``client_key_id``. It
  decrypts, and keeps secrets. Files: ``PrivateKmsCA_<instance>.pem``, the only root that is
  believed there; ``clientKey_<id>.json``, ``{"KeyId","PrivateKeyData"}`` with PKCS#12 in base64;
  ``password_<id>.json``, its password as text.
- ``ecs_ram_role``: the shared gateway, by the role of this machine. File: ``ecsRamRole.json``,
  ``{"ecs_ram_role_name","region_id"}``. Secrets only.
- ``sts_token``: the same by temporary credentials: ``region_id``, and ``token_path``, a file of the
  credentials folder that reads ``<id>:<secret>:<token>``. Secrets only.

``annotations`` are ``iv`` of an envelope, 12 bytes in base64, and ``version_stage`` and
``version_id`` of a secret, empty for the newest.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from guest.errors import (
    GuestError,
    KMSAnswerError,
    KMSCredentialsError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms.aliyun_signing import ClientKey, SessionKey, query_string
from guest.kms.credentials import credential, read_credentials, read_members
from guest.kms.exchange import Answer, Exchange
from guest.kms.members import (
    ANNOTATIONS,
    SETTINGS,
    base64,
    check_known,
    matching,
    optional_text,
    text,
)
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.kms.wiping import wiping
from guest.rpc.protobuf import (
    Fields,
    MalformedMessageError,
    number_field,
    octets_field,
    text_field,
)
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import optional_text_member, text_member
from guest.wire.strict_json import parse_json_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

LIBRARIES: tuple[str, ...] = ()

# Where a machine of this cloud gets credentials for its role.
_METADATA = "http://100.100.100.200"
_ROLE_PATH = "/latest/meta-data/ram/security-credentials/"

# What becomes a part of a host's name, of a path or of a file's.
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_CLIENT = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_REGION = r"[a-z]{2}(-[a-z0-9]{1,20}){1,3}"
_KEY = r"[A-Za-z0-9:/_.-]{1,256}"
_SECRET_NAME = r"[A-Za-z0-9_/+=.@-]{1,192}"  # noqa: S105  (a pattern)
_VERSION = r"[A-Za-z0-9_-]{1,64}"
_ALGORITHM = "AES_GCM"
_IV_BYTES = 12


@dataclass(frozen=True, slots=True)
class ClientKeyDriver:
    """Asks a dedicated instance in protobuf messages.

    The numbers of their fields are those of its interface ``dkms-gcs-0.2``.
    """

    options: KMSOptions = field(repr=False)
    instance: str
    key: ClientKey = field(repr=False)
    exchange: Exchange = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext of what AES-GCM made with a key of the instance."""
        check_known(annotations, {"iv"}, ANNOTATIONS)
        request = (
            octets_field(1, ciphertext)
            + text_field(2, matching(key_id, _KEY, "the key id"))
            + text_field(3, _ALGORITHM)
            + octets_field(5, base64(annotations, "iv", ANNOTATIONS))
        )
        answer = self._ask("Decrypt", request, opening=True)
        return bytearray(_filled(answer.octets(2), "plaintext"))

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The ciphertext, whose IV the instance makes."""
        check_known(annotations, (), ANNOTATIONS)
        request = (
            text_field(1, matching(key_id, _KEY, "the key id"))
            + octets_field(2, plaintext)
            + text_field(3, _ALGORITHM)
        )
        answer = self._ask("Encrypt", request, opening=False)
        iv = answer.octets(3)
        if len(iv) != _IV_BYTES:
            raise KMSAnswerError("the answer of the instance has no IV")
        return Wrapped(_filled(answer.octets(2), "ciphertext"), {"iv": b64_encode(iv)})

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:
        """The newest version of a secret, or the one that the annotations name."""
        chosen = _version(annotations)
        request = (
            text_field(1, matching(name, _SECRET_NAME, "the name"))
            + text_field(2, chosen["VersionStage"])
            + text_field(3, chosen["VersionId"])
            + number_field(4, 1)
        )
        answer = self._ask("GetSecretValue", request, opening=False)
        return _filled(answer.octets(3), "secret")

    def _ask(self, operation: str, body: bytes, *, opening: bool) -> Fields:
        headers = self.key.headers(operation, body, self.options.clock.now())
        url = f"https://{self.instance}.cryptoservice.kms.aliyuncs.com/"
        answer = self.exchange.send("POST", url, headers, body)
        try:
            fields = Fields(answer.body)
            if answer.status == 200:
                return fields
            code = fields.text(2)
        except MalformedMessageError as error:
            raise _unreadable(answer) from error
        raise _refusal(answer.status, code, opening=opening)


@dataclass(frozen=True, slots=True)
class GatewayDriver:
    """Asks the shared gateway of a region in JSON, with temporary credentials."""

    options: KMSOptions = field(repr=False)
    region: str
    key: SessionKey = field(repr=False)
    exchange: Exchange = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:  # noqa: ARG002  (port)
        """Never, as upstream.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("envelopes need the client type client_key")

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:
        """The newest version of a secret, or the one that the annotations name."""
        chosen = {"SecretName": matching(name, _SECRET_NAME, "the name"), **_version(annotations)}
        query = {key: value for key, value in chosen.items() if value}
        host = f"kms.{self.region}.aliyuncs.com"
        headers = self.key.headers(host, "GetSecretValue", query, self.options.clock.now())
        url = f"https://{host}/?{query_string(query)}"
        answer = self.exchange.send("POST", url, headers, b"")
        try:
            members = parse_json_object(answer.body)
            if answer.status == 200:
                return text_member(members, "SecretData", limit=64 * 1024).encode("utf-8")
            code = optional_text_member(members, "Code", limit=256) or ""
        except WireError as error:
            raise _unreadable(answer) from error
        raise _refusal(answer.status, code, opening=False)


def open_kms(options: KMSOptions) -> KMS:
    """The service, in the way that the settings say."""
    kind = text(options.settings, "client_type", r"[a-z_]{1,32}", SETTINGS)
    if kind == "client_key":
        return _dedicated(options)
    if kind == "ecs_ram_role":
        return _by_role(options)
    if kind == "sts_token":
        return _by_token(options)
    raise MalformedSecretError("client_type is client_key, ecs_ram_role or sts_token")


def _dedicated(options: KMSOptions) -> KMS:
    check_known(options.settings, {"client_type", "kms_instance_id", "client_key_id"}, SETTINGS)
    instance = text(options.settings, "kms_instance_id", _ID, SETTINGS)
    key_id = text(options.settings, "client_key_id", _CLIENT, SETTINGS)
    access, folder = options.access, options.access.folder
    members = read_members(folder, f"clientKey_{key_id}.json")
    with wiping(read_credentials(folder, f"password_{key_id}.json")) as password:
        # Whoever wrote the file may have ended its line.
        private_key = _private_key(credential(members, "PrivateKeyData"), bytes(password).rstrip())
    if access.root_certificates is None:
        pem = bytes(read_credentials(folder, f"PrivateKmsCA_{instance}.pem"))
        access = replace(access, root_certificates=pem.decode("ascii", "replace"))
    host = f"https://{instance}.cryptoservice.kms.aliyuncs.com"
    instead = {} if access.endpoint is None else {host: access.endpoint}
    try:
        exchange = Exchange(access, instead)
    except (ssl.SSLError, ValueError) as error:
        raise KMSCredentialsError(f"PrivateKmsCA_{instance}.pem holds no certificate") from error
    key = ClientKey(credential(members, "KeyId"), private_key)
    return ClientKeyDriver(options, instance, key, exchange)


def _private_key(data: str, password: bytes) -> rsa.RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        key, _, _ = pkcs12.load_key_and_certificates(b64_decode(data), password)
    except (WireError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KMSCredentialsError("the client key does not open with its password") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KMSCredentialsError("the client key is no RSA key")
    return key


def _by_role(options: KMSOptions) -> KMS:
    check_known(options.settings, {"client_type"}, SETTINGS)
    members = read_members(options.access.folder, "ecsRamRole.json")
    try:
        role = matching(credential(members, "ecs_ram_role_name"), _ID, "the role")
        region = matching(credential(members, "region_id"), _REGION, "the region")
    except MalformedSecretError as error:
        raise KMSCredentialsError(f"ecsRamRole.json: {error}") from error
    exchange = _gateway(options, region)
    answer = exchange.send("GET", f"{_METADATA}{_ROLE_PATH}{role}", {}, None)
    if answer.status == 404:
        raise KMSDeniedError("this machine does not have the role")
    if answer.status != 200:
        raise KMSUnavailableError("the metadata service of this machine cannot serve now")
    try:
        given = parse_json_object(answer.body)
        names = ("AccessKeyId", "AccessKeySecret", "SecurityToken")
        key = SessionKey(*(text_member(given, name, limit=16 * 1024) for name in names))
    except WireError as error:
        raise KMSAnswerError("the metadata service answered no credentials") from error
    return GatewayDriver(options, region, key, exchange)


def _by_token(options: KMSOptions) -> KMS:
    check_known(options.settings, {"client_type", "region_id", "token_path"}, SETTINGS)
    region = text(options.settings, "region_id", _REGION, SETTINGS)
    path = text(
        options.settings, "token_path", r"/?([A-Za-z0-9_.-]{1,64}/){0,16}[\w.-]{1,64}", SETTINGS
    )
    # Upstream reads any file that whoever sealed names; here it is one of the folder's.
    name, folder = PurePosixPath(path).name, options.access.folder
    if name in {"", ".", ".."} or path not in {name, str(folder / name)}:
        raise MalformedSecretError("provider_settings.token_path is no file of the credentials")
    with wiping(read_credentials(folder, name)) as data:
        parts = bytes(data).decode("utf-8", "replace").strip().split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isprintable() for part in parts):
        raise KMSCredentialsError(f"{folder / name}: reads not <id>:<secret>:<token>")
    if not all(parts):
        raise KMSCredentialsError(f"{folder / name}: has an empty part")
    return GatewayDriver(options, region, SessionKey(*parts), _gateway(options, region))


def _gateway(options: KMSOptions, region: str) -> Exchange:
    places = {
        f"https://kms.{region}.aliyuncs.com": options.access.endpoint,
        _METADATA: options.access.authority,
    }
    instead = {meant: asked for meant, asked in places.items() if asked is not None}
    return Exchange(options.access, instead)


def _version(annotations: JSONObject) -> dict[str, str]:
    check_known(annotations, {"version_stage", "version_id"}, ANNOTATIONS)
    names = {"VersionStage": "version_stage", "VersionId": "version_id"}
    return {
        key: optional_text(annotations, name, _VERSION, ANNOTATIONS) for key, name in names.items()
    }


def _filled(value: bytes, name: str) -> bytes:
    if not value:
        raise KMSAnswerError(f"the answer of the instance has no {name}")
    return value


def _unreadable(answer: Answer) -> GuestError:
    if answer.status == 429 or answer.status >= 500:
        return KMSUnavailableError("Alibaba Cloud cannot serve now")
    return KMSAnswerError("Alibaba Cloud answered what cannot be read")


def _refusal(status: int, code: str, *, opening: bool) -> GuestError:
    """By the error code first: an unknown access key is a 404, too."""
    if code.startswith(("InvalidAccessKeyId", "InvalidSecurityToken", "SignatureDoesNotMatch")):
        return KMSDeniedError("Alibaba Cloud refuses these credentials")
    if "NotFound" in code or status == 404:
        return KMSNotFoundError("Alibaba Cloud has no such key or secret")
    if status in {401, 403} or code.startswith("Forbidden"):
        return KMSDeniedError("Alibaba Cloud does not let these credentials use it")
    if status == 429 or status >= 500 or "Throttling" in code:
        return KMSUnavailableError("Alibaba Cloud cannot serve now")
    if status == 400:
        kind: type[GuestError] = NotDecryptedError if opening else MalformedSecretError
        return kind("Alibaba Cloud does not take it with this key and annotations")
    return KMSAnswerError(f"Alibaba Cloud answered with status {status}, which is not documented")
