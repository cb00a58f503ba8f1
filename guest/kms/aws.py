"""AWS KMS for envelopes and AWS Secrets Manager for secrets, as upstream's driver.

Source: guest.md, section 7.5; AWS KMS API Reference, ``Encrypt`` and ``Decrypt``; AWS Secrets
Manager API Reference, ``GetSecretValue``. boto3 signs (Signature Version 4) and parses; what it
sends goes through this package's own exchange.

- ``provider_settings``: ``region``.
- Credentials: ``credential.json`` with ``access_key_id``, ``secret_access_key`` and, of temporary
  ones, ``session_token``.
- ``annotations``: ``encryption_context`` of an envelope, a table of texts that AWS authenticates;
  ``version_id`` and ``version_stage`` of a secret.
- Keys: an id, an ARN, an alias (``alias/…``) or an alias's ARN.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3

from guest.errors import (
    GuestError,
    KMSAnswerError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms.credentials import credential, optional_credential, read_members
from guest.kms.exchange import Exchange
from guest.kms.libraries import extra
from guest.kms.members import (
    ANNOTATIONS,
    SETTINGS,
    check_known,
    matching,
    optional_text,
    text,
    texts,
)
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.wire.json_types import JSONObject

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

LIBRARIES = ("boto3",)

# The region becomes part of a host's name.
_REGION = r"[a-z]{2,4}(-[a-z]{2,10}){1,3}-[0-9]{1,2}"
_KEY = r"[A-Za-z0-9:/_-]{1,2048}"
_NAME = r"[A-Za-z0-9:/_+=.@!-]{1,2048}"
_VERSION = r"[A-Za-z0-9_:+=,.@/ -]{1,256}"
_CONTEXT = "encryption_context"

# Error codes of the two services (their API References, "Common Errors" too).
_MISSING = frozenset({"NotFoundException", "ResourceNotFoundException"})
_NOT_OPENED = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "DisabledException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
        "InvalidSignatureException",
        "KMSInvalidStateException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_BUSY = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "InternalServiceError",
        "KeyUnavailableException",
        "KMSInternalException",
        "LimitExceededException",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)

_REASONS: tuple[tuple[frozenset[str], type[GuestError], str], ...] = (
    (_MISSING, KMSNotFoundError, "AWS has no such key or secret"),
    (_NOT_OPENED, NotDecryptedError, "AWS does not open it with this key and context"),
    (_DENIED, KMSDeniedError, "AWS refuses it: these credentials, or this key as it is"),
    (_BUSY, KMSUnavailableError, "AWS cannot serve now"),
)


@dataclass(frozen=True, slots=True)
class AWSDriver:
    """Asks the services of one region.

    Attributes:
        region: of both services.
        client: makes a client of boto3 for a service's name.
    """

    region: str
    client: Any = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext of a ciphertext of AWS KMS; the key and the context must be the same."""
        answer = self._call(
            "kms",
            "decrypt",
            KeyId=matching(key_id, _KEY, "the key id"),
            CiphertextBlob=ciphertext,
            EncryptionContext=_context(annotations),
        )
        return bytearray(_bytes(answer, "Plaintext"))

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """A ciphertext of AWS KMS; it holds its own IV, and the annotations come back as given."""
        context = _context(annotations)
        answer = self._call(
            "kms",
            "encrypt",
            KeyId=matching(key_id, _KEY, "the key id"),
            Plaintext=plaintext,
            EncryptionContext=context,
        )
        return Wrapped(
            _bytes(answer, "CiphertextBlob"), {_CONTEXT: dict(context)} if context else {}
        )

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:
        """The current version of a secret, or the one that the annotations name."""
        check_known(annotations, {"version_id", "version_stage"}, ANNOTATIONS)
        version = optional_text(annotations, "version_id", _VERSION, ANNOTATIONS)
        stage = optional_text(annotations, "version_stage", _VERSION, ANNOTATIONS)
        chosen = {"VersionId": version, "VersionStage": stage}
        answer = self._call(
            "secretsmanager",
            "get_secret_value",
            SecretId=matching(name, _NAME, "the name"),
            **{key: value for key, value in chosen.items() if value},
        )
        content = answer.get("SecretString")
        return (
            content.encode("utf-8") if isinstance(content, str) else _bytes(answer, "SecretBinary")
        )

    def _call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
        from botocore.parsers import ResponseParserError

        try:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**parameters)
        except ClientError as error:
            raise _refusal(error.response) from error
        except ParamValidationError as error:
            raise MalformedSecretError("AWS takes no such parameters") from error
        except ResponseParserError as error:
            raise KMSAnswerError("AWS answered what cannot be read") from error
        except BotoCoreError as error:
            raise KMSUnavailableError("AWS was not reached") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # The parsers of boto3 trust the shape of answers.
            raise KMSAnswerError("AWS answered what cannot be read") from error
        return answer


def open_kms(options: KMSOptions) -> KMS:
    """The services of the region that the settings name, with the guest's own credentials."""
    check_known(options.settings, {"region"}, SETTINGS)
    region = text(options.settings, "region", _REGION, SETTINGS)
    members = read_members(options.access.folder, "credential.json")
    keys = {
        "aws_access_key_id": credential(members, "access_key_id"),
        "aws_secret_access_key": credential(members, "secret_access_key"),
        "aws_session_token": optional_credential(members, "session_token"),
    }
    with extra("aws", "boto3", "botocore"):
        from boto3.session import Session
        from botocore.config import Config
        from botocore.session import Session as CoreSession
    config = Config(ignore_configured_endpoint_urls=True, retries={"total_max_attempts": 1})
    exchange = Exchange(options.access)

    @cache
    def client(service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients' classes itself)
        core = CoreSession()
        core.register_component("data_loader", _descriptions())
        session = Session(region_name=region, botocore_session=core, **keys)
        made = session.client(service, endpoint_url=options.access.endpoint, config=config)
        made.meta.events.register("before-send", lambda request, **_: _send(exchange, request))
        return made

    return AWSDriver(region, client)


@cache
def _descriptions() -> Any:  # noqa: ANN401  (of an optional library)
    """What botocore knows of services: files of its own, of which each is read once."""
    from botocore.session import Session

    return Session().get_component("data_loader")


def _send(exchange: Exchange, request: AWSPreparedRequest) -> AWSResponse:
    """What boto3 has signed, sent within this package's bounds."""
    from botocore.awsrequest import AWSResponse

    headers = {
        name: value.decode("ascii") if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    answer = exchange.send(request.method, request.url, headers, request.body)
    raw = urllib3.HTTPResponse(io.BytesIO(answer.body), preload_content=False)
    return AWSResponse(request.url, answer.status, dict(answer.headers), raw)


def _context(annotations: JSONObject) -> dict[str, str]:
    check_known(annotations, {_CONTEXT}, ANNOTATIONS)
    return texts(annotations, _CONTEXT, ANNOTATIONS)


def _bytes(answer: dict[str, Any], name: str) -> bytes:
    value = answer.get(name)
    if not isinstance(value, bytes):
        raise KMSAnswerError(f"the answer of AWS has no {name}")
    return value


def _refusal(response: dict[str, Any]) -> GuestError:
    code = str(response.get("Error", {}).get("Code", "")).rpartition("#")[2]
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    for codes, kind, sentence in _REASONS:
        if code in codes:
            return kind(sentence)
    if status in {401, 403}:
        return KMSDeniedError("AWS refuses it")
    if status == 429 or status >= 500:
        return KMSUnavailableError("AWS cannot serve now")
    if status == 400:
        return MalformedSecretError("AWS does not take the request as it is")
    return KMSAnswerError(f"AWS answered with status {status} and no reason that it documents")
