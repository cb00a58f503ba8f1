"""PKCS#11 tokens: hardware security modules, smart cards, SoftHSM.

Source: OASIS PKCS #11 version 3.1; keys are named by URIs of RFC 7512, such as
``pkcs11:token=team;object=kek``. Whoever seals says what finds the key, and nothing of where the
library or the PIN is. The key is an AES key of the token, the mechanism CKM_AES_GCM.

- ``provider_settings``: none.
- Credentials: ``credential.json`` with ``pin``. The library is ``kms.pkcs11.module``.
- ``annotations``: ``iv``, 12 bytes in base64, made here; ``aad``, a text that is bound.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from guest.errors import (
    ConfigError,
    GuestError,
    KMSDeniedError,
    KMSNotFoundError,
    KMSUnavailableError,
    KMSUnsupportedError,
    MalformedSecretError,
    NotDecryptedError,
)
from guest.kms.credentials import credential, read_members
from guest.kms.libraries import extra
from guest.kms.members import ANNOTATIONS, SETTINGS, base64, check_known, optional_text
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONObject

if TYPE_CHECKING:
    import pkcs11

LIBRARIES = ("pkcs11",)

_SCHEME = "pkcs11:"
_ATTRIBUTES = frozenset({"token", "serial", "object", "id"})
_IV_BYTES = 12
_TAG_BYTES = 16
_TAG_BITS = 8 * _TAG_BYTES
_AAD = r"[\x20-\x7e]{1,1024}"

# Whoever logs in or out does so for the whole process (PKCS #11, section 5.6.8), so that sessions
# of several threads would end each other's.
_one_session = threading.Lock()

# By the names of python-pkcs11's exceptions, which are those of the return values.
_DENIED = frozenset(
    {
        "FunctionRejected",
        "KeyFunctionNotPermitted",
        "KeySizeRange",
        "KeyTypeInconsistent",
        "MechanismInvalid",
        "PinExpired",
        "PinIncorrect",
        "PinInvalid",
        "PinLenRange",
        "PinLocked",
        "UserNotLoggedIn",
        "UserPinNotInitialized",
    }
)
_MISSING = frozenset({"NoSuchKey", "NoSuchToken", "TokenNotRecognised"})


@dataclass(frozen=True, slots=True)
class KeyURI:
    """What finds a key.

    Attributes:
        token: label of the token; ``None`` for any.
        serial: number of the token; ``None`` for any.
        label: of the key; ``None`` for any.
        key_id: of the key; ``None`` for any.
    """

    token: str | None
    serial: bytes | None
    label: str | None
    key_id: bytes | None

    @classmethod
    def parse(cls, uri: str) -> KeyURI:
        """A URI of RFC 7512 that names a token and a key, and nothing else.

        Raises:
            MalformedSecretError: it is none.
        """
        if not uri.startswith(_SCHEME) or not uri.isascii() or len(uri) > 1024:
            raise MalformedSecretError("a key id reads pkcs11:token=…;object=…")
        pairs = [part.partition("=") for part in uri.removeprefix(_SCHEME).split(";")]
        found = {name: unquote_to_bytes(value) for name, _, value in pairs}
        if len(found) != len(pairs) or not found.keys() <= _ATTRIBUTES or not all(found.values()):
            known = ", ".join(sorted(_ATTRIBUTES))
            raise MalformedSecretError(f"a key id has of {known} each once, and no query")
        if not found.keys() & {"token", "serial"} or not found.keys() & {"object", "id"}:
            raise MalformedSecretError("a key id names a token and a key")
        try:
            token, label = (
                found[name].decode("utf-8") if name in found else None
                for name in ("token", "object")
            )
        except UnicodeDecodeError as error:
            raise MalformedSecretError("the labels of a key id are text") from error
        return cls(token, found.get("serial"), label, found.get("id"))


@dataclass(frozen=True, slots=True)
class PKCS11Driver:
    """Uses keys of the tokens of one library."""

    library: object = field(repr=False)
    pin: str = field(repr=False)
    timeout_seconds: float

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext of what AES-GCM made with the key, tag at its end."""
        from pkcs11 import GCMParams, Mechanism

        uri, (iv, aad) = KeyURI.parse(key_id), _given(annotations)
        if len(iv) != _IV_BYTES:
            raise MalformedSecretError(f"annotations.iv has {_IV_BYTES} bytes in base64")
        if len(ciphertext) < _TAG_BYTES:
            raise NotDecryptedError("the ciphertext is shorter than a tag")
        parameters = GCMParams(iv, aad or None, _TAG_BITS)
        with self._key(uri, opening=True) as key:
            opened = key.decrypt(
                ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters
            )
        return bytearray(opened)

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The ciphertext under a fresh IV, which becomes an annotation."""
        from pkcs11 import GCMParams, Mechanism

        uri, (given, aad) = KeyURI.parse(key_id), _given(annotations)
        if given:
            raise MalformedSecretError("annotations.iv is made here, and never used twice")
        iv = secrets.token_bytes(_IV_BYTES)
        parameters = GCMParams(iv, aad or None, _TAG_BITS)
        with self._key(uri, opening=False) as key:
            made = key.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
        return Wrapped(bytes(made), {**annotations, "iv": b64_encode(iv)})

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """Never: keys of a token stay there.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("a PKCS#11 token gives no secrets away")

    @contextmanager
    def _key(self, uri: KeyURI, *, opening: bool) -> Iterator[Any]:
        from pkcs11.exceptions import PKCS11Error

        if not _one_session.acquire(timeout=self.timeout_seconds):
            raise KMSUnavailableError("the token was in use all the time")
        try:
            token = _token(self.library, uri)
            with token.open(user_pin=self.pin) as session:
                yield _find(session, uri)
        except PKCS11Error as error:
            raise _refusal(error, opening=opening) from error
        finally:
            _one_session.release()


def open_kms(options: KMSOptions) -> KMS:
    """The tokens of the library that the guest's settings name."""
    check_known(options.settings, (), SETTINGS)
    module = options.access.module
    if module is None:
        raise ConfigError(["kms.pkcs11.module: needed, the library of the token"])
    pin = credential(read_members(options.access.folder, "credential.json"), "pin")
    with extra("pkcs11"):
        import pkcs11
    try:
        library = pkcs11.lib(str(module))
    except RuntimeError as error:
        # Also PKCS11Error, when the library is one and does not begin.
        raise KMSUnavailableError(f"{module} is not to be loaded as a PKCS#11 library") from error
    return PKCS11Driver(library, pin, options.access.timeout_seconds)


def _token(library: object, uri: KeyURI) -> pkcs11.Token:
    tokens = list(
        library.get_tokens(token_label=uri.token, token_serial=uri.serial)  # type: ignore[attr-defined]  # a compiled class without stubs to import
    )
    if len(tokens) != 1:
        raise KMSNotFoundError(f"{len(tokens)} tokens have the name of the key id")
    token: pkcs11.Token = tokens[0]
    return token


def _find(session: pkcs11.Session, uri: KeyURI) -> Any:  # noqa: ANN401  (what a key can do is mixed in when it is found)
    """The one key of the URI; two of a name would make it chance which."""
    from pkcs11 import Attribute, KeyType, ObjectClass, SecretKey

    wanted: dict[Attribute, object] = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
    }
    if uri.label is not None:
        wanted[Attribute.LABEL] = uri.label
    if uri.key_id is not None:
        wanted[Attribute.ID] = uri.key_id
    keys = list(session.get_objects(wanted))
    if len(keys) != 1 or not isinstance(keys[0], SecretKey):
        raise KMSNotFoundError(f"the token has {len(keys)} AES keys of this name")
    return keys[0]


def _given(annotations: JSONObject) -> tuple[bytes, bytes]:
    """IV and what is bound; empty when they are missing."""
    check_known(annotations, {"iv", "aad"}, ANNOTATIONS)
    iv = base64(annotations, "iv", ANNOTATIONS) if "iv" in annotations else b""
    return iv, optional_text(annotations, "aad", _AAD, ANNOTATIONS).encode("ascii")


def _refusal(error: Exception, *, opening: bool) -> GuestError:
    name = type(error).__name__
    if name in _DENIED:
        return KMSDeniedError(f"the token refuses it ({name})")
    if name in _MISSING:
        return KMSNotFoundError("there is no such token or key")
    # Tokens do not agree on what a wrong tag is called.
    if opening and name in {"EncryptedDataInvalid", "EncryptedDataLenRange", "GeneralError"}:
        return NotDecryptedError("the token does not open it with this key")
    return KMSUnavailableError(f"the token failed ({name})")
