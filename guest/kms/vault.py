"""The transit engine of HashiCorp Vault and OpenBao.

Source: the HTTP API of the transit secrets engine (``/encrypt/:name``, ``/decrypt/:name``) and of
AppRole. hvac forms the requests; they go through this package's own exchange.

- ``provider_settings``: ``mount``, ``transit`` by default; ``namespace``.
- Credentials: ``credential.json`` with ``token``, or with ``role_id`` and ``secret_id`` of AppRole.
- ``annotations``: ``associated_data``, a text that is bound, for keys of an AEAD cipher;
  ``context``, a text from which derived keys are derived.
- Keys: the name of a key of the engine. The server is ``kms.vault.endpoint``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from guest.errors import (
    ConfigError,
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
from guest.kms.exchange import Exchange
from guest.kms.libraries import extra
from guest.kms.members import ANNOTATIONS, SETTINGS, check_known, matching, optional_text
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject

LIBRARIES = ("hvac",)

_MOUNT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}){0,7}"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_BOUND = r"[\x20-\x7e]{1,1024}"
_NAMES = ("associated_data", "context")
_CIPHERTEXT = r"vault:v[0-9]{1,9}:[A-Za-z0-9+/=]{1,8192}"

# The engine answers 400 to this as to everything else that it does not take.
_NO_KEY = "encryption key not found"


@dataclass(frozen=True, slots=True)
class VaultDriver:
    """Asks one transit engine."""

    client: Any = field(repr=False)
    mount: str

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext of a ciphertext in the engine's own form, ``vault:v1:…``."""
        name, bound = matching(key_id, _KEY, "the key id"), _bound(annotations)
        try:
            form = matching(ciphertext.decode("ascii"), _CIPHERTEXT, "the ciphertext")
        except (UnicodeDecodeError, MalformedSecretError) as error:
            raise NotDecryptedError("the ciphertext is none of a transit engine") from error
        answer = self._ask("decrypt_data", name, opening=True, ciphertext=form, **bound)
        try:
            return bytearray(b64_decode(_member(answer, "plaintext")))
        except WireError as error:
            raise KMSAnswerError("the plaintext of the answer is not base64") from error

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """A ciphertext by the newest version of the key."""
        name, bound = matching(key_id, _KEY, "the key id"), _bound(annotations)
        answer = self._ask(
            "encrypt_data", name, opening=False, plaintext=b64_encode(plaintext), **bound
        )
        form = _member(answer, "ciphertext")
        if not form.isascii():
            raise KMSAnswerError("the ciphertext of the answer is none of a transit engine")
        return Wrapped(form.encode("ascii"), dict(annotations))

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """Never: the transit engine keeps no secrets.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("the transit engine keeps no secrets")

    def _ask(self, operation: str, name: str, *, opening: bool, **parameters: str) -> Any:  # noqa: ANN401  (JSON, or what hvac makes of other things)
        from hvac.exceptions import VaultError

        call = getattr(self.client.secrets.transit, operation)
        try:
            return call(name=name, mount_point=self.mount, **parameters)
        except VaultError as error:
            raise _refusal(error, opening=opening) from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise KMSAnswerError("the server answered what cannot be read") from error


def open_kms(options: KMSOptions) -> KMS:
    """The engine that the settings name, on the server that the guest's settings name."""
    check_known(options.settings, {"mount", "namespace"}, SETTINGS)
    mount = optional_text(options.settings, "mount", _MOUNT, SETTINGS) or "transit"
    namespace = optional_text(options.settings, "namespace", _MOUNT, SETTINGS) or None
    url = options.access.endpoint
    if url is None:
        raise ConfigError(["kms.vault.endpoint: needed, the URL of the server"])
    members = read_members(options.access.folder, "credential.json")
    by_role = "role_id" in members
    names = ("role_id", "secret_id") if by_role else ("token",)
    values = [credential(members, name) for name in names]
    with extra("vault", "hvac"):
        import hvac

        from guest.kms.requests_adapter import session
    asked = session(Exchange(options.access))
    client = hvac.Client(
        url=url,
        token="" if by_role else values[0],
        session=asked,
        namespace=namespace,
        allow_redirects=False,
    )
    if by_role:
        _log_in(client, *values)
    return VaultDriver(client, mount)


def _log_in(client: Any, role_id: str, secret_id: str) -> None:  # noqa: ANN401  (hvac has no types)
    from hvac.exceptions import InvalidRequest, VaultError

    try:
        client.auth.approle.login(role_id, secret_id)
    except InvalidRequest as error:
        raise KMSDeniedError("the server refuses this role") from error
    except VaultError as error:
        raise _refusal(error, opening=False) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KMSAnswerError("the server answered what cannot be read") from error


def _bound(annotations: JSONObject) -> dict[str, str]:
    check_known(annotations, _NAMES, ANNOTATIONS)
    texts = {name: optional_text(annotations, name, _BOUND, ANNOTATIONS) for name in _NAMES}
    return {name: b64_encode(text.encode("ascii")) for name, text in texts.items() if text}


def _member(answer: Any, name: str) -> str:  # noqa: ANN401  (JSON, or what hvac makes of other things)
    data = answer.get("data") if isinstance(answer, dict) else None
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise KMSAnswerError(f"the answer of the server has no {name}")
    return value


def _refusal(error: Any, *, opening: bool) -> GuestError:  # noqa: ANN401  (hvac has no types)
    from hvac import exceptions

    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        return KMSDeniedError("the server refuses this token, or does not let it use this key")
    if isinstance(error, exceptions.InvalidPath) or _NO_KEY in str(error):
        return KMSNotFoundError("the server has no such engine or key")
    if isinstance(error, exceptions.InvalidRequest):
        if opening:
            return NotDecryptedError("the engine does not open it with this key and annotations")
        return MalformedSecretError("the engine does not take the request as it is")
    if isinstance(
        error,
        exceptions.RateLimitExceeded
        | exceptions.InternalServerError
        | exceptions.VaultNotInitialized
        | exceptions.VaultDown
        | exceptions.BadGateway,
    ):
        return KMSUnavailableError("the server cannot serve now")
    return KMSAnswerError("the server answered with a status that its interface does not have")
