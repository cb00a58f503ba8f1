"""A Veraison service that verifies CCA tokens: its session, and the result that it signs.

Sources: Veraison, "Challenge-response API", version 1; draft-ietf-rats-ar4si and
draft-fv-rats-ear (the result). The service's key is pinned by the operator.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key

from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    MalformedEvidenceError,
    SignatureError,
    TCBUnsupportedError,
)
from app.trust.http_client import HTTPClient, HTTPReply, OutsideError, PooledHTTPClient
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

MEDIA_TYPE = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'

_NEW_SESSION = "/challenge-response/v1/newSession"
_ALGORITHM = "ES256"
_PLATFORM, _REALM = "CCA_SSD_PLATFORM", "CCA_REALM"
_EVIDENCE = "ear.veraison.annotated-evidence"
_AFFIRMING = ("affirming", 2)
_TIMEOUT_SECONDS = 10.0
_CREATED, _OK, _BAD = 201, 200, 400


@dataclass(frozen=True, slots=True)
class VeraisonAddress:
    """Where the service is.

    Attributes:
        url: base address.
        key_file: the public key of its results, as JWK or PEM.
        ca_file: PEM file that its certificate is checked against.
    """

    url: str
    key_file: Path
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class VeraisonResult:
    """What the service found out: the annotated evidence of platform and realm."""

    platform: JSONObject
    realm: JSONObject


def open_client(address: VeraisonAddress) -> HTTPClient:
    """A client for the service."""
    return PooledHTTPClient(timeout_seconds=_TIMEOUT_SECONDS, ca_file=address.ca_file)


def load_key(path: Path) -> Key:
    """The key of the service's results.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no key on P-256.
    """
    text = path.read_text("utf-8")
    try:
        key = ECKey.import_key(json.loads(text) if text.lstrip().startswith("{") else text)
    except (JoseError, TypeError, KeyError) as error:
        raise ValueError("no public key") from error
    if key.curve_name != "P-256":
        raise ValueError("a key that is not on P-256")
    return key


class Veraison:
    """The service; clients are made when they are first needed."""

    def __init__(self, connect: Callable[[VeraisonAddress], HTTPClient] = open_client) -> None:
        self._connect = connect
        self._clients: dict[VeraisonAddress, HTTPClient] = {}

    def verify(self, token: bytes, challenge: bytes, address: VeraisonAddress) -> VeraisonResult:
        """Have a token verified.

        Args:
            token: CCA token, CBOR.
            challenge: 64 bytes that the realm answered.
            address: of the service.

        Raises:
            MalformedEvidenceError: the service does not take the token.
            CollateralUnavailableError: it does not answer, or not as agreed; or its key is missing.
            SignatureError: the result is not signed by the pinned key.
            BindingMismatchError: the result is about another challenge.
            TCBUnsupportedError: the platform is not affirmed.
        """
        try:
            client = self._clients.setdefault(address, self._connect(address))
            key = load_key(address.key_file)
        except (OSError, ValueError) as error:
            raise CollateralUnavailableError("the key of the CCA service is missing") from error
        nonce = b64url_encode(challenge)
        try:
            session = self._open_session(client, address.url, nonce)
            reply = client.post(session, token, MEDIA_TYPE)
        except OutsideError as error:
            raise CollateralUnavailableError("the CCA service does not answer") from error
        if reply.status == _BAD:
            raise MalformedEvidenceError("the CCA service does not take the token")
        return _read_result(_result_of(reply), key, nonce)

    def _open_session(self, client: HTTPClient, base_url: str, nonce: str) -> str:
        reply = client.post(f"{base_url}{_NEW_SESSION}?nonce={nonce}", b"", "application/json")
        location = reply.headers.get("location", "")
        if reply.status != _CREATED or not location:
            raise CollateralUnavailableError("the CCA service opens no session")
        # Only the path: whoever answers must not send the server elsewhere.
        path = urlsplit(location).path
        if not path.startswith("/"):
            path = f"{_NEW_SESSION.rpartition('/')[0]}/{path}"
        return f"{base_url}{path}"


def _result_of(reply: HTTPReply) -> str:
    try:
        members = parse_json_object(reply.body) if reply.status == _OK else {}
    except WireError as error:
        raise CollateralUnavailableError("the CCA service answers no JSON") from error
    result = members.get("result")
    if members.get("status") != "complete" or not isinstance(result, str):
        raise CollateralUnavailableError("the CCA service gave no result")
    return result


def _read_result(token: str, key: Key, nonce: str) -> VeraisonResult:
    try:
        claims = parse_json_object(
            jws.deserialize_compact(token, key, algorithms=[_ALGORITHM]).payload
        )
    except (JoseError, ValueError, WireError) as error:
        raise SignatureError("the result of the CCA service is not signed by its key") from error
    if not _is_same(claims.get("eat_nonce"), nonce):
        raise BindingMismatchError("the result of the CCA service is about another challenge")
    submodules = claims.get("submods")
    found = submodules if isinstance(submodules, dict) else {}
    platform, realm = found.get(_PLATFORM), found.get(_REALM)
    if not isinstance(platform, dict) or not isinstance(realm, dict):
        raise CollateralUnavailableError("the result lacks the platform or the realm")
    if platform.get("ear.status") not in _AFFIRMING:
        raise TCBUnsupportedError("the CCA service does not affirm the platform")
    return VeraisonResult(_evidence_of(platform), _evidence_of(realm))


def _is_same(told: JSONValue, nonce: str) -> bool:
    try:
        return isinstance(told, str) and b64url_decode(told.rstrip("=")) == b64url_decode(nonce)
    except WireError:
        return False


def _evidence_of(submodule: JSONObject) -> JSONObject:
    found = submodule.get(_EVIDENCE)
    if not isinstance(found, dict):
        raise CollateralUnavailableError("the result lacks the evidence that it is about")
    return found
