"""Signed bundles: collateral for sites that no vendor can be reached from.

A bundle is a compact JWS (RFC 7515). Its header has the signer (``kid``) and the type; its payload
is JSON: ``{"version": 1, "created_at": …, "documents": [{"name", "body", "headers", "fetched_at",
"source"} …]}``, bodies in standard base64, times in ISO 8601 with their zone. The signature tells
who put it together; what vendors signed is verified again when it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey

from app.attestation.collateral.catalogue import is_collateral_name
from app.attestation.collateral.ports import Collateral
from app.trust.errors import MalformedBundleError, SignatureError, UntrustedSignerError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

BUNDLE_TYPE = "vouchgate-collateral+jws"
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_DOCUMENTS = 10_000
MAX_DOCUMENT_BYTES = 2**20

_VERSION = 1
_CLOCK_SKEW = timedelta(minutes=5)
_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}


@dataclass(frozen=True, slots=True)
class BundleSigner:
    """Who signs bundles here.

    Attributes:
        name: by which other sites know the key.
    """

    name: str
    key: Key = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature holds.

    Attributes:
        signer: the name of the key.
        created_at: when it was made, UTC.
    """

    signer: str
    created_at: datetime
    documents: tuple[Collateral, ...]


def sign_bundle(documents: Iterable[Collateral], signer: BundleSigner, now: datetime) -> str:
    """Put documents into a bundle; its text is ASCII."""
    payload = {
        "version": _VERSION,
        "created_at": now.isoformat(),
        "documents": [_as_json(each) for each in documents],
    }
    header = {"alg": algorithm_of(signer.key), "kid": signer.name, "typ": BUNDLE_TYPE}
    text = json.dumps(payload, separators=(",", ":"))
    return jws.serialize_compact(header, text, signer.key, algorithms=[header["alg"]])


def open_bundle(text: str, signers: Mapping[str, Key], now: datetime) -> Bundle:
    """The bundle in a text.

    Args:
        text: as ``sign_bundle`` made it.
        signers: whose bundles are accepted, by name.
        now: nothing in it may be younger, but for clocks that differ.

    Raises:
        MalformedBundleError: it is no bundle, or not of the agreed form.
        UntrustedSignerError: nobody of that name is trusted here.
        SignatureError: the signature is not that signer's.
    """
    if len(text) > MAX_BUNDLE_BYTES:
        raise MalformedBundleError(f"a bundle has at most {MAX_BUNDLE_BYTES} bytes")
    name = _unverified_signer(text)
    key = signers.get(name)
    if key is None:
        raise UntrustedSignerError("the bundle is signed by nobody who is trusted here")
    try:
        payload = jws.deserialize_compact(text, key, algorithms=[algorithm_of(key)]).payload
    except (JoseError, ValueError) as error:
        raise SignatureError("the signature of the bundle does not verify") from error
    return _read(name, payload, now)


def algorithm_of(key: Key) -> str:
    """The one algorithm that a key signs with.

    Raises:
        ValueError: it is a key of another kind.
    """
    curve = key.curve_name if isinstance(key, ECKey | OKPKey) else ""
    if curve not in _ALGORITHMS:
        raise ValueError("neither an elliptic-curve key nor one of Ed25519")
    return _ALGORITHMS[curve]


def _unverified_signer(text: str) -> str:
    try:
        header = jws.extract_compact(text.encode("ascii")).headers()
    except (JoseError, ValueError) as error:
        raise MalformedBundleError("not a compact JWS") from error
    name = header.get("kid")
    if header.get("typ") != BUNDLE_TYPE or not isinstance(name, str):
        raise MalformedBundleError("the header does not name a bundle and its signer")
    return name


def _as_json(document: Collateral) -> JSONObject:
    return {
        "name": document.name,
        "body": b64_encode(document.unverified_body),
        "headers": dict(document.unverified_headers),
        "fetched_at": document.fetched_at.isoformat(),
        "source": document.source,
    }


def _read(signer: str, payload: bytes, now: datetime) -> Bundle:
    try:
        content = parse_json_object(payload)
    except WireError as error:
        raise MalformedBundleError("the bundle holds no JSON object") from error
    documents = content.get("documents")
    if content.get("version") != _VERSION or not isinstance(documents, list):
        raise MalformedBundleError("the bundle is of no known version, or holds no documents")
    if len(documents) > MAX_DOCUMENTS:
        raise MalformedBundleError(f"a bundle has at most {MAX_DOCUMENTS} documents")
    created_at = _moment(content.get("created_at"), now)
    found = tuple(_document(each, signer, created_at) for each in documents)
    if len({each.name for each in found}) != len(found):
        raise MalformedBundleError("a document stands in the bundle twice")
    return Bundle(signer, created_at, found)


def _document(value: JSONValue, signer: str, created_at: datetime) -> Collateral:
    if not isinstance(value, dict):
        raise MalformedBundleError("a document of the bundle is no JSON object")
    name, headers = value.get("name"), value.get("headers")
    if not isinstance(name, str) or not is_collateral_name(name):
        raise MalformedBundleError("a document of the bundle has no collateral name")
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
        raise MalformedBundleError(f"{name}: headers are not an object of texts")
    try:
        body = b64_decode(str(value.get("body")))
    except WireError as error:
        raise MalformedBundleError(f"{name}: the body is not base64") from error
    if not 0 < len(body) <= MAX_DOCUMENT_BYTES:
        raise MalformedBundleError(f"{name}: the body has 1 to {MAX_DOCUMENT_BYTES} bytes")
    fetched_at = _moment(value.get("fetched_at"), created_at)
    return Collateral(name, body, dict(headers), fetched_at, f"bundle:{signer}")


def _moment(value: JSONValue, latest: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise MalformedBundleError("a time in the bundle is none") from error
    if found.tzinfo is None or found > latest + _CLOCK_SKEW:
        raise MalformedBundleError("a time in the bundle lacks its zone, or has not come yet")
    return min(found.astimezone(UTC), latest)
