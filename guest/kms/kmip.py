"""KMIP servers: the Key Management Interoperability Protocol, version 1.4.

Source: OASIS KMIP 1.4, sections 4.29 (Encrypt), 4.30 (Decrypt) and 9 (encoding), and its profile
over TLS with certificates of clients. A symmetric AES key of the server is used in the mode GCM.

- ``provider_settings``: none.
- Credentials: ``certificate.pem``, the client's certificate and its chain; ``private_key.pem``.
- ``annotations``: ``iv``, 12 bytes in base64, made here; ``aad``, a text that is bound.
- Keys: their unique identifier. The server is ``kms.kmip.endpoint``, ``host:port``.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field

from guest.bounded_http import tls_context
from guest.errors import (
    ConfigError,
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
from guest.kms.connections import connected, connection_error
from guest.kms.credentials import read_credentials
from guest.kms.members import ANNOTATIONS, SETTINGS, base64, check_known, matching, optional_text
from guest.kms.ports import KMS, KMSOptions, Wrapped
from guest.kms.ttlv import (
    BYTES,
    ENUMERATION,
    HEADER_BYTES,
    INTEGER,
    TEXT,
    Item,
    MalformedItemError,
    body_bytes,
    parse,
    structure,
)
from guest.kms.wiping import wipe
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONObject

LIBRARIES: tuple[str, ...] = ()

DEFAULT_PORT = 5696
MAX_MESSAGE_BYTES = 1024 * 1024

_KEY = r"[\x21-\x7e]{1,256}"
_BOUND = r"[\x20-\x7e]{1,1024}"
_IV_BYTES = 12
_TAG_BYTES = 16

# Operations, modes and algorithms (KMIP 1.4, section 9.1.3.2).
_ENCRYPT, _DECRYPT = 0x1F, 0x20
_GCM, _AES = 9, 3
_SUCCESS = 0

# Tags (section 9.1.3.1).
_BATCH_COUNT, _BATCH_ITEM = 0x42000D, 0x42000F
_BLOCK_CIPHER_MODE, _ALGORITHM, _PARAMETERS = 0x420011, 0x420028, 0x42002B
_IV, _MAXIMUM, _OPERATION = 0x42003D, 0x420050, 0x42005C
_VERSION, _MAJOR, _MINOR = 0x420069, 0x42006A, 0x42006B
_REQUEST_HEADER, _REQUEST, _REQUEST_PAYLOAD = 0x420077, 0x420078, 0x420079
_RESPONSE, _RESPONSE_PAYLOAD = 0x42007B, 0x42007C
_REASON, _STATUS = 0x42007E, 0x42007F
_IDENTIFIER, _DATA, _TAG_LENGTH = 0x420094, 0x4200C2, 0x4200CE
_AAD, _TAG = 0x4200FE, 0x4200FF

# Result reasons (section 9.1.3.2.30, and of KMIP 2.0, which servers use already).
_MISSING = frozenset({0x01, 0x36, 0x37})
_DENIED = frozenset({0x03, 0x05, 0x08, 0x0B, 0x0C, 0x29, 0x39, 0x43})
_BUSY = frozenset({0x2A, 0x3A, 0x44})
_CRYPTOGRAPHIC_FAILURE, _GENERAL_FAILURE = 0x0A, 0x100


@dataclass(frozen=True, slots=True)
class KMIPDriver:
    """Asks one server, with a connection for each request."""

    options: KMSOptions = field(repr=False)
    address: tuple[str, int]
    context: ssl.SSLContext = field(repr=False)

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: JSONObject) -> bytearray:
        """The plaintext of what AES-GCM made with the key, tag at its end."""
        key, (iv, aad) = _identifier(key_id), _given(annotations)
        if len(iv) != _IV_BYTES:
            raise MalformedSecretError(f"annotations.iv has {_IV_BYTES} bytes in base64")
        if len(ciphertext) < _TAG_BYTES:
            raise NotDecryptedError("the ciphertext is shorter than a tag")
        data, tag = ciphertext[:-_TAG_BYTES], ciphertext[-_TAG_BYTES:]
        items = [key, _cipher(), Item(_DATA, BYTES, data), Item(_IV, BYTES, iv), *aad]
        answer = self._ask(_DECRYPT, [*items, Item(_TAG, BYTES, tag)])
        return bytearray(_octets(answer, _DATA))

    def encrypt(self, plaintext: bytes, key_id: str, annotations: JSONObject) -> Wrapped:
        """The ciphertext under a fresh IV, which becomes an annotation."""
        key, (given, aad) = _identifier(key_id), _given(annotations)
        if given:
            raise MalformedSecretError("annotations.iv is made here, and never used twice")
        iv = secrets.token_bytes(_IV_BYTES)
        items = [key, _cipher(), Item(_DATA, BYTES, plaintext), Item(_IV, BYTES, iv), *aad]
        answer = self._ask(_ENCRYPT, items)
        data, tag = _octets(answer, _DATA), _octets(answer, _TAG)
        if len(tag) != _TAG_BYTES:
            raise KMSAnswerError("the answer of the server has no tag of 16 bytes")
        return Wrapped(data + tag, {**annotations, "iv": b64_encode(iv)})

    def get_secret(self, name: str, annotations: JSONObject) -> bytes:  # noqa: ARG002  (port)
        """Never: the server keeps its keys.

        Raises:
            KMSUnsupportedError: always.
        """
        raise KMSUnsupportedError("keys of a KMIP server stay there")

    def _ask(self, operation: int, items: list[Item]) -> Item:
        """The payload of the answer to one operation."""
        raw = self._exchange(_request(operation, items).encode())
        try:
            # As if it lay in a structure, so that its own tag is looked at, too.
            batch = structure(0, parse(raw)).find(_RESPONSE, _BATCH_ITEM)
            if batch.find(_STATUS).value == _SUCCESS:
                return batch.find(_RESPONSE_PAYLOAD)
            reason = batch.find(_REASON).value
        except MalformedItemError as error:
            raise KMSAnswerError(f"the server answered what cannot be read: {error}") from error
        raise _refusal(reason, opening=operation == _DECRYPT)

    def _exchange(self, request: bytes) -> bytes:
        host, seconds = self.address[0], self.options.access.timeout_seconds
        try:
            with (
                connected(self.address, seconds) as plain,
                self.context.wrap_socket(plain, server_hostname=host) as connection,
            ):
                connection.sendall(request)
                header = _receive(connection, HEADER_BYTES)
                length = body_bytes(header)
                if length > MAX_MESSAGE_BYTES:
                    raise KMSAnswerError(f"{host} answers with more than is expected")
                return header + _receive(connection, length)
        except OSError as error:
            raise connection_error(error, host) from error


def open_kms(options: KMSOptions) -> KMS:
    """The server that the guest's settings name, with the guest's own certificate."""
    check_known(options.settings, (), SETTINGS)
    endpoint, folder = options.access.endpoint, options.access.folder
    if endpoint is None:
        raise ConfigError(["kms.kmip.endpoint: needed, the server as host:port"])
    files = [folder / name for name in ("certificate.pem", "private_key.pem")]
    for file in files:
        # Python reads them from their files alone; here it is seen that they are small.
        wipe(read_credentials(folder, file.name))
    context = tls_context(options.access.root_certificates)
    try:
        context.load_cert_chain(files[0], files[1], password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise KMSCredentialsError(f"{folder}: holds no certificate with its key") from error
    host, _, port = endpoint.rpartition(":")
    return KMIPDriver(options, (host.removeprefix("[").removesuffix("]"), int(port)), context)


def _receive(connection: ssl.SSLSocket, count: int) -> bytes:
    """So many bytes; the connection is cut when they do not come in time."""
    received = bytearray()
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionResetError
        received += chunk
    return bytes(received)


def _no_password() -> str:
    """An encrypted key would ask whoever sits at the terminal."""
    raise ValueError("the private key is encrypted")


def _request(operation: int, items: list[Item]) -> Item:
    version = structure(_VERSION, Item(_MAJOR, INTEGER, 1), Item(_MINOR, INTEGER, 4))
    header = structure(
        _REQUEST_HEADER,
        version,
        Item(_MAXIMUM, INTEGER, MAX_MESSAGE_BYTES),
        Item(_BATCH_COUNT, INTEGER, 1),
    )
    batch = structure(
        _BATCH_ITEM,
        Item(_OPERATION, ENUMERATION, operation),
        structure(_REQUEST_PAYLOAD, *items),
    )
    return structure(_REQUEST, header, batch)


def _identifier(key_id: str) -> Item:
    return Item(_IDENTIFIER, TEXT, matching(key_id, _KEY, "the key id"))


def _cipher() -> Item:
    return structure(
        _PARAMETERS,
        Item(_BLOCK_CIPHER_MODE, ENUMERATION, _GCM),
        Item(_ALGORITHM, ENUMERATION, _AES),
        Item(_TAG_LENGTH, INTEGER, _TAG_BYTES),
    )


def _given(annotations: JSONObject) -> tuple[bytes, list[Item]]:
    """IV, and what is bound; both may be empty."""
    check_known(annotations, {"iv", "aad"}, ANNOTATIONS)
    iv = base64(annotations, "iv", ANNOTATIONS) if "iv" in annotations else b""
    aad = optional_text(annotations, "aad", _BOUND, ANNOTATIONS).encode("ascii")
    return iv, [Item(_AAD, BYTES, aad)] if aad else []


def _octets(payload: Item, tag: int) -> bytes:
    try:
        value = payload.find(tag).value
    except MalformedItemError as error:
        raise KMSAnswerError(f"the answer of the server: {error}") from error
    if not isinstance(value, bytes) or not value:
        raise KMSAnswerError(f"the answer of the server has no bytes under {tag:06x}")
    return value


def _refusal(reason: object, *, opening: bool) -> GuestError:
    if reason in _MISSING:
        return KMSNotFoundError("the server has no such key")
    if reason in _DENIED:
        return KMSDeniedError("the server does not let this certificate use this key")
    # Servers do not agree on what a wrong tag is called; some have no name for it.
    if opening and reason in {_CRYPTOGRAPHIC_FAILURE, _GENERAL_FAILURE}:
        return NotDecryptedError("the server does not open it with this key and annotations")
    if reason in _BUSY or reason == _GENERAL_FAILURE:
        return KMSUnavailableError("the server failed")
    if isinstance(reason, int):
        return MalformedSecretError(f"the server does not take the request (reason {reason})")
    return KMSAnswerError("the server answered with a reason that is none")
