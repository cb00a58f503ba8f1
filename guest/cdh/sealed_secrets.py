"""Sealed secrets: ``sealed.<header>.<payload>.<signature>`` (guest.md, section 7.3).

Whoever prepares a pod seals, and the text travels through hands that are not trusted. It is a JWS
(RFC 7515, compact) in ES256 whose payload either names a secret (``vault``) or holds it encrypted
(``envelope``). The signature is checked before the payload is looked at.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NoReturn

from guest.cdh.ciphers import IV_BYTES, decrypt
from guest.cdh.sealing_keys import ES256, SealingKeys
from guest.errors import MalformedSecretError, SecretSignatureError
from guest.kms.ports import KMS, ResourceFetcher
from guest.kms.registry import KMSOpener, opener
from guest.kms.wiping import wiping
from guest.kms_settings import KMSSettings
from guest.wire.encoding import b64_decode, b64url_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import object_value, text_member
from guest.wire.strict_json import parse_json_object

PREFIX = "sealed."
VERSION = "0.1.0"
VAULT = "vault"
ENVELOPE = "envelope"
MAX_SECRET_BYTES = 4 * 1024 * 1024

_NAME_LIMIT = 4096
_COORDINATE_BYTES = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unsealer:
    """Opens sealed secrets.

    Attributes:
        fetch: brings resources.
        keys: which verify; ``None`` verifies nothing, which has to be asked for.
        kms: opens key management services; as settings that say nothing when ``None``.
    """

    fetch: ResourceFetcher = field(repr=False)
    keys: SealingKeys | None
    kms: KMSOpener | None = None

    def unseal_secret(self, text: str) -> bytes:
        """The plaintext of a sealed secret.

        Raises:
            MalformedSecretError: it is no sealed secret of version 0.1.0.
            UntrustedKeyError: its key id is not believed, or leads to no key.
            SecretSignatureError: its signature is not of that key.
            UnknownProviderError: no driver has the name of its provider.
            NotDecryptedError: it does not open under its data key.
            KMSError: a key management service did not give what it needs.
            GuestError: what it needs could not be fetched.
        """
        header, payload, signature = _split(text)
        if self.keys is None:
            _log.warning("INSECURE: the signature of a sealed secret is not checked")
        else:
            _verify(self.keys, header, payload, signature)
        members = _payload(payload)
        return self._vault(members) if members["type"] == VAULT else self._envelope(members)

    def _vault(self, members: JSONObject) -> bytes:
        name = _text(members, "name")
        kms = self._open(members)
        return kms.get_secret(name, _table(members, "annotations"))

    def _envelope(self, members: JSONObject) -> bytes:
        wrap_type = _text(members, "wrap_type")
        if wrap_type not in IV_BYTES:
            raise MalformedSecretError(f"wrap_type is none of {', '.join(IV_BYTES)}")
        iv, data = _bytes(members, "iv"), _bytes(members, "encrypted_data")
        key_id, encrypted_key = _text(members, "key_id"), _bytes(members, "encrypted_key")
        kms, annotations = self._open(members), _table(members, "annotations")
        with wiping(kms.decrypt(encrypted_key, key_id, annotations)) as data_key:
            return decrypt(data_key, data, iv, wrap_type)

    def _open(self, members: JSONObject) -> KMS:
        open_service = self.kms or opener(KMSSettings(), self.fetch)
        return open_service(_provider(members), _table(members, "provider_settings"))


def _split(text: str) -> tuple[str, str, str]:
    if len(text) > MAX_SECRET_BYTES:
        raise MalformedSecretError(f"a sealed secret has at most {MAX_SECRET_BYTES} characters")
    parts = text.split(".")
    if len(parts) != 4 or f"{parts[0]}." != PREFIX:
        raise MalformedSecretError("a sealed secret reads sealed.<header>.<payload>.<signature>")
    return parts[1], parts[2], parts[3]


def _verify(keys: SealingKeys, header: str, payload: str, signature: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    key_id = _key_id(header)
    raw = _decoded(signature, "signature")
    # Fixed length, two numbers (RFC 7518, section 3.4).
    if len(raw) != 2 * _COORDINATE_BYTES:
        raise MalformedSecretError("a signature in ES256 has 64 bytes")
    numbers = (raw[:_COORDINATE_BYTES], raw[_COORDINATE_BYTES:])
    der = utils.encode_dss_signature(*(int.from_bytes(number, "big") for number in numbers))
    signed = f"{header}.{payload}".encode("ascii", "replace")
    try:
        keys.find(key_id).verify(der, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SecretSignatureError("the sealed secret was not signed with its key") from error


def _key_id(header: str) -> str:
    members = _object(header, "header")
    if members.get("alg") != ES256:
        raise MalformedSecretError(f"a sealed secret is signed with {ES256}")
    # A critical extension changes what the rest means (RFC 7515, section 4.1.11); none is known.
    if "crit" in members:
        raise MalformedSecretError("the header of the sealed secret has critical extensions")
    return _text(members, "kid")


def _payload(payload: str) -> JSONObject:
    members = _object(payload, "payload")
    if members.get("version") != VERSION:
        raise MalformedSecretError(f"the version of a sealed secret is {VERSION}")
    if _text(members, "type") not in {VAULT, ENVELOPE}:
        raise MalformedSecretError(f"the type of a sealed secret is {VAULT} or {ENVELOPE}")
    return members


def _provider(members: JSONObject) -> str:
    # Upstream compares names of providers without regard to case.
    return _text(members, "provider").lower()


def _object(text: str, name: str) -> JSONObject:
    try:
        return parse_json_object(_decoded(text, name))
    except WireError as error:
        raise MalformedSecretError(f"the {name} of the sealed secret is no JSON object") from error


def _decoded(text: str, name: str) -> bytes:
    try:
        return b64url_decode(text)
    except WireError as error:
        raise MalformedSecretError(f"the {name} of the sealed secret is not base64url") from error


def _text(members: JSONObject, name: str) -> str:
    try:
        return text_member(members, name, limit=_NAME_LIMIT)
    except WireError as error:
        _refuse(error)


def _table(members: JSONObject, name: str) -> JSONObject:
    # The documentation calls the two tables optional, and upstream's code needs them.
    try:
        return object_value(members.get(name, {}), f"the member {name}")
    except WireError as error:
        _refuse(error)


def _bytes(members: JSONObject, name: str) -> bytes:
    try:
        return b64_decode(text_member(members, name, limit=MAX_SECRET_BYTES))
    except WireError as error:
        _refuse(error)


def _refuse(error: WireError) -> NoReturn:
    raise MalformedSecretError(f"the sealed secret: {error}") from error
