"""Azure Key Vault and Managed HSM: data keys wrapped by a key of a vault.

Source: the REST API of Azure Key Vault, ``wrapKey`` and ``unwrapKey``. azure-identity gets tokens
for a service principal, azure-keyvault-keys answers the vault's challenge and checks that it is of
this vault; what they send goes through this package's own exchange.

- ``provider_settings``: none.
- Credentials: ``credential.json`` with ``tenant_id``, ``client_id`` and ``client_secret``.
- ``annotations``: ``algorithm``, ``RSA-OAEP-256`` by default, or ``A256KW`` of a Managed HSM;
  ``version`` of the key, 32 hexadecimal digits, which the vault says when it wraps.
- Keys: their URL, ``https://VAULT.vault.azure.net/keys/NAME``, with or without its version.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guest.errors import (
    GuestError,
    KMSAnswerError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms.credentials import credential, read_members
from guest.kms.exchange import MAX_ANSWER_BYTES, Exchange
from guest.kms.libraries import extra
from guest.kms.members import ANNOTATIONS, SETTINGS, check_known, optional_text
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import text_member
from guest.wire.strict_json import parse_json_object

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

LIBRARIES = ("azure.identity", "azure.keyvault.keys")

# By the domain of vaults, who gives out tokens for them; no other host gets one.
_AUTHORITIES = {
    "vault.azure.net": "login.microsoftonline.com",
    "managedhsm.azure.net": "login.microsoftonline.com",
    "vault.azure.cn": "login.chinacloudapi.cn",
    "managedhsm.azure.cn": "login.chinacloudapi.cn",
    "vault.usgovcloudapi.net": "login.microsoftonline.us",
    "managedhsm.usgovcloudapi.net": "login.microsoftonline.us",
}
_DOMAINS = "|".join(re.escape(domain) for domain in _AUTHORITIES)
_VERSION = r"[0-9a-f]{32}"
_KEY = re.compile(
    rf"(?P<vault>https://[a-z0-9-]{{3,24}}\.(?P<domain>{_DOMAINS}))"
    rf"/keys/(?P<name>[A-Za-z0-9-]{{1,127}})(/(?P<version>{_VERSION}))?",
    re.ASCII,
)
_ALGORITHMS = r"RSA-OAEP-256|A256KW"
_DEFAULT_ALGORITHM = "RSA-OAEP-256"


@dataclass(frozen=True, slots=True)
class KeyURL:
    """The name of a key.

    Attributes:
        vault: URL of its vault.
        authority: host that gives out tokens for it.
        name: of the key.
        version: of the key; ``""`` for the newest.
    """

    vault: str
    authority: str
    name: str
    version: str

    @classmethod
    def parse(cls, url: str) -> KeyURL:
        """A key's URL, of a vault in one of Azure's own domains.

        Raises:
            MalformedSecretError: it is none.
        """
        found = _KEY.fullmatch(url)
        if found is None:
            raise MalformedSecretError("a key id reads https://VAULT.vault.azure.net/keys/NAME")
        authority = _AUTHORITIES[found["domain"]]
        return cls(found["vault"], authority, found["name"], found["version"] or "")


@dataclass(frozen=True, slots=True)
class AzureDriver:
    """Asks the vaults of keys, as one service principal."""

    options: KMSOptions = field(repr=False)
    principal: dict[str, str] = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The data key that a version of the key has wrapped."""
        key, (algorithm, version) = KeyURL.parse(key_id), _given(annotations)
        if version and key.version not in {"", version}:
            raise MalformedSecretError("annotations.version is another one than that of the key id")
        path = f"/keys/{key.name}/{version or key.version}/unwrapkey".replace("//", "/")
        members = self._ask(key, path, algorithm, ciphertext, opening=True)
        return bytearray(_value(members))

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The data key, wrapped by the newest version of the key or the one that is named."""
        key, (algorithm, version) = KeyURL.parse(key_id), _given(annotations)
        if version:
            raise MalformedSecretError("a version is named by the key id")
        path = f"/keys/{key.name}/{key.version}/wrapkey".replace("//", "/")
        members = self._ask(key, path, algorithm, plaintext, opening=False)
        try:
            used = KeyURL.parse(text_member(members, "kid", limit=1024))
        except (WireError, MalformedSecretError) as error:
            raise KMSAnswerError("the answer of the vault names no key") from error
        if (used.vault, used.name) != (key.vault, key.name) or not used.version:
            raise KMSAnswerError("the answer of the vault names another key")
        return Wrapped(_value(members), {"algorithm": algorithm, "version": used.version})

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """Never: only keys are asked for.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("secrets of Azure Key Vault are not read")

    def _ask(
        self, key: KeyURL, path: str, algorithm: str, value: bytes, *, opening: bool
    ) -> JSONObject:
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
        from azure.core.rest import HttpRequest

        body = json.dumps({"alg": algorithm, "value": b64url_encode(value)})
        kind = {"Content-Type": "application/json"}
        request = HttpRequest("POST", path, headers=kind, content=body)
        try:
            with _client(self.options, self.principal, key) as client:
                answer = client.send_request(request)
                return _members(answer, opening=opening)
        except ClientAuthenticationError as error:
            denied = KMSDeniedError("Azure refuses this service principal")
            raise _beneath(error) or denied from error
        except HttpResponseError as error:
            raise _refusal(error.status_code or 0, opening=opening) from error
        except (AzureError, OSError) as error:
            raise KMSUnavailableError("Azure was not reached") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # The libraries trust the shape of challenges and tokens.
            raise KMSAnswerError("Azure answered what cannot be read") from error


def open_kms(options: KMSOptions) -> KMS:
    """The vaults that key ids name, with the guest's own service principal."""
    check_known(options.settings, (), SETTINGS)
    members = read_members(options.access.folder, "credential.json")
    names = ("tenant_id", "client_id", "client_secret")
    principal = {name: credential(members, name) for name in names}
    with extra("azure", "azure", "msal", "urllib3"):
        import azure.identity
        import azure.keyvault.keys  # noqa: F401  (that they are there is known before anyone asks)
    return AzureDriver(options, principal)


def _client(options: KMSOptions, principal: dict[str, str], key: KeyURL) -> Any:  # noqa: ANN401  (of an optional library)
    from azure.core.pipeline.transport import RequestsTransport
    from azure.identity import ClientSecretCredential
    from azure.keyvault.keys import KeyClient

    from guest.kms.requests_adapter import session

    access = options.access
    places = {key.vault: access.endpoint, f"https://{key.authority}": access.authority}
    instead = {meant: asked for meant, asked in places.items() if asked is not None}
    asked = session(Exchange(access, instead))
    bounds: dict[str, Any] = {
        "transport": RequestsTransport(session=asked, session_owner=False),
        "retry_total": 0,
        "permit_redirects": False,
    }
    # Whether the authority is one is known here, so that nobody else is asked about it.
    service = ClientSecretCredential(
        **principal, authority=key.authority, disable_instance_discovery=True, **bounds
    )
    return KeyClient(key.vault, service, **bounds)


def _members(answer: HttpResponse, *, opening: bool) -> JSONObject:
    if answer.status_code != 200:
        raise _refusal(answer.status_code, opening=opening)
    body = answer.read()
    try:
        return parse_json_object(body[:MAX_ANSWER_BYTES])
    except WireError as error:
        raise KMSAnswerError("the vault answered what cannot be read") from error


def _beneath(error: BaseException | None) -> GuestError | None:
    """Our own error, where azure-identity has put one of its own over it."""
    while error is not None and not isinstance(error, GuestError):
        error = error.__cause__ or error.__context__
    return error


def _given(annotations: JSONObject) -> tuple[str, str]:
    """Algorithm and version; the version may be empty."""
    check_known(annotations, {"algorithm", "version"}, ANNOTATIONS)
    algorithm = optional_text(annotations, "algorithm", _ALGORITHMS, ANNOTATIONS)
    version = optional_text(annotations, "version", _VERSION, ANNOTATIONS)
    return algorithm or _DEFAULT_ALGORITHM, version


def _value(members: JSONObject) -> bytes:
    try:
        return b64url_decode(text_member(members, "value", limit=16 * 1024))
    except WireError as error:
        raise KMSAnswerError("the answer of the vault has no value") from error


def _refusal(status: int, *, opening: bool) -> GuestError:
    if status in {401, 403}:
        return KMSDeniedError("the vault does not let this service principal use this key")
    if status == 404:
        return KMSNotFoundError("the vault has no such key")
    if status == 429 or status >= 500:
        return KMSUnavailableError("the vault cannot serve now")
    if status == 400 and opening:
        return NotDecryptedError("the vault does not open it with this key and algorithm")
    if status == 400:
        return MalformedSecretError("the vault does not take the request as it is")
    return KMSAnswerError(f"the vault answered with status {status}, which it does not document")
