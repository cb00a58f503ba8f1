"""Google Cloud KMS.

Source: the REST API of Cloud KMS, version 1, ``cryptoKeys.encrypt`` and ``cryptoKeys.decrypt``, and
its guidelines for data integrity. google-cloud-kms forms and parses the messages and google-auth
signs them, with a token that the guest makes itself (AIP-4111), so that no third server is asked;
what they send goes through this package's own exchange.

- ``provider_settings``: none.
- Credentials: ``credential.json``, the key of a service account as Google gives it out.
- ``annotations``: ``additional_authenticated_data``, a text that is bound.
- Keys: ``projects/…/locations/…/keyRings/…/cryptoKeys/…``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from guest.errors import (
    GuestError,
    KMSAnswerError,
    KMSCredentialsError,
    KMSDeniedError,
    KMSExtraError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms.crc32c import crc32c
from guest.kms.credentials import credential, read_members
from guest.kms.exchange import Exchange
from guest.kms.libraries import extra
from guest.kms.members import ANNOTATIONS, SETTINGS, check_known, matching, optional_text
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.wire.json_types import JSONObject

LIBRARIES = ("google.cloud.kms_v1", "requests")

_SERVICE = "https://cloudkms.googleapis.com"
# What a token of the guest's own making is for (AIP-4111).
_AUDIENCE = f"{_SERVICE}/"
_PART = r"[A-Za-z0-9_-]{1,63}"
# A domain may stand before the name of a project.
_PROJECT = r"[a-z0-9][a-z0-9.:-]{0,62}"
_KEY = rf"projects/{_PROJECT}/locations/{_PART}/keyRings/{_PART}/cryptoKeys/{_PART}"
_BOUND = r"[\x20-\x7e]{1,1024}"
_AAD = "additional_authenticated_data"


@dataclass(frozen=True, slots=True)
class GCPDriver:
    """Asks Cloud KMS, as one service account."""

    client: Any = field(repr=False)
    timeout_seconds: float

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext, by whichever version of the key has encrypted it."""
        request = self._request(key_id, annotations)
        request |= {"ciphertext": ciphertext, "ciphertext_crc32c": crc32c(ciphertext)}
        answer = self._call("decrypt", request, opening=True)
        _check_sum(answer.plaintext, answer.plaintext_crc32c)
        return bytearray(answer.plaintext)

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The ciphertext of the key's primary version."""
        request = self._request(key_id, annotations)
        request |= {"plaintext": plaintext, "plaintext_crc32c": crc32c(plaintext)}
        answer = self._call("encrypt", request, opening=False)
        _check_sum(answer.ciphertext, answer.ciphertext_crc32c)
        arrived = answer.verified_plaintext_crc32c and (
            answer.verified_additional_authenticated_data_crc32c or not annotations
        )
        if not arrived or not answer.name.startswith(f"{key_id}/cryptoKeyVersions/"):
            raise KMSAnswerError("Cloud KMS did not get what was sent, or used another key")
        return Wrapped(answer.ciphertext, dict(annotations))

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """Never: Cloud KMS keeps keys alone.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("Cloud KMS keeps no secrets")

    def _request(self, key_id: str, annotations: JSONObject) -> dict[str, Any]:
        check_known(annotations, {_AAD}, ANNOTATIONS)
        bound = optional_text(annotations, _AAD, _BOUND, ANNOTATIONS).encode("ascii")
        name = matching(key_id, _KEY, "the key id")
        return {"name": name, _AAD: bound, f"{_AAD}_crc32c": crc32c(bound)}

    def _call(self, operation: str, request: dict[str, Any], *, opening: bool) -> Any:  # noqa: ANN401  (messages of an optional library)
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError
        from google.protobuf.json_format import ParseError

        call = getattr(self.client, operation)
        try:
            return call(request=request, retry=None, timeout=self.timeout_seconds)
        except GoogleAPICallError as error:
            raise _refusal(error.code or 0, opening=opening) from error
        except GoogleAuthError as error:
            raise KMSDeniedError("no token can be made with these credentials") from error
        except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise KMSAnswerError("Cloud KMS answered what cannot be read") from error


def open_kms(options: KMSOptions) -> KMS:
    """Cloud KMS, with the guest's own service account."""
    check_known(options.settings, (), SETTINGS)
    members = read_members(options.access.folder, "credential.json")
    # Other types of credentials name programs to run, and URLs to get tokens from.
    if credential(members, "type") != "service_account":
        raise KMSCredentialsError("credential.json is no key of a service account")
    for name in ("client_email", "private_key"):
        credential(members, name)
    with extra("gcp", "google", "urllib3"):
        from google.auth import jwt
        from google.cloud.kms_v1 import KeyManagementServiceClient
    try:
        account = jwt.Credentials.from_service_account_info(members, audience=_AUDIENCE)  # type: ignore[no-untyped-call]  # google-auth has types in part
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise KMSCredentialsError("credential.json is no key of a service account") from error
    instead = {} if options.access.endpoint is None else {_SERVICE: options.access.endpoint}
    transport = _transport(account, Exchange(options.access, instead))
    return GCPDriver(
        KeyManagementServiceClient(transport=transport), options.access.timeout_seconds
    )


def _transport(account: Any, exchange: Exchange) -> Any:  # noqa: ANN401  (of an optional library)
    import requests
    from google.cloud.kms_v1.services.key_management_service.transports.rest import (
        KeyManagementServiceRestTransport,
    )

    from guest.kms.requests_adapter import carry

    transport = KeyManagementServiceRestTransport(credentials=account)
    session = getattr(transport, "_session", None)
    # It has no other place for a session of one's own; without ours, nothing would bound answers.
    if not isinstance(session, requests.Session):
        raise KMSExtraError("this version of google-cloud-kms is not known; see the extra gcp")
    carry(session, exchange)
    return transport


def _check_sum(data: bytes, given: int) -> None:
    if not data or given != crc32c(data):
        raise KMSAnswerError("the answer of Cloud KMS was damaged on its way, or is empty")


def _refusal(status: int, *, opening: bool) -> GuestError:
    if status in {401, 403}:
        return KMSDeniedError("Cloud KMS does not let this service account use this key")
    if status == 404:
        return KMSNotFoundError("Cloud KMS has no such key")
    if status == 429 or status >= 500:
        return KMSUnavailableError("Cloud KMS cannot serve now")
    if status == 400 and opening:
        return NotDecryptedError("Cloud KMS does not open it with this key and annotations")
    if status == 400:
        return MalformedSecretError("Cloud KMS does not take the request as it is")
    return KMSAnswerError(f"Cloud KMS answered with status {status}, which it does not document")
