"""Signed CoRIM: reference triples of CoMID tags, signed by someone who is trusted.

Sources: draft-ietf-rats-corim (CoRIM, CoMID, COSE_Sign1 of a CoRIM); RFC 9052; RFC 9360 (x5chain);
wire.md, section 11.1 (the names). The payload of the message is base64 of the signed CoRIM. A value
is named by the parts of its environment and measurement that are there, joined by ``/``: vendor,
model, key of the measurement, its name, its serial number, and ``digests``, ``raw_bytes``, ``svn``
or ``minimum_svn``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from cbor2 import CBORTag
from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.extractors import Extracted, Extractor
from app.attestation.formats.cbor import parse_array, parse_cbor, parse_map, take_bytes, untag
from app.attestation.formats.cose_sign1 import SignedMessage
from app.attestation.message_signers import SigningKey, TrustedSigners
from app.trust.errors import MalformedEvidenceError, MalformedReferenceValueError, SignatureError
from app.trust.json_types import JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

_SIGNED, _UNSIGNED, _COMID = 18, 501, 506
# What older drafts put around a CoRIM, and around a signed one.
_WRAPPINGS = frozenset({500, 502})
_UUID, _EPOCH, _SVN, _MINIMUM_SVN, _BYTES = 37, 1, 552, 553, 560
_X5CHAIN = 33
# Names of hashes, as IANA's registry of named information numbers them, and their bytes.
_DIGEST_SIZES: dict[object, int] = {
    1: 32,
    7: 48,
    8: 64,
    "sha-256": 32,
    "sha-384": 48,
    "sha-512": 64,
}
_MAX_SVN = 2**53 - 1


class CoRIMExtractor:
    """Reads ``base64(COSE_Sign1 of a CoRIM)``."""

    type = "corim"

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """See ``Extractor.extract``."""
        try:
            message, chain = _parse(b64_decode(payload))
            signer = signers.find(chain, partial(_verify, message))
            values = _values(message.unverified_payload, signers.now)
        except (WireError, MalformedEvidenceError) as error:
            detail = error.message if isinstance(error, MalformedEvidenceError) else "not base64"
            raise MalformedReferenceValueError(
                f"the payload is no signed CoRIM: {detail}"
            ) from error
        return Extracted(values, signer)


def _parse(data: bytes) -> tuple[SignedMessage, Sequence[bytes]]:
    """The signed message, and the certificates in its headers."""
    value = parse_cbor(data, "the CoRIM")
    wrappings = 0
    while isinstance(value, CBORTag) and value.tag in _WRAPPINGS and wrappings < len(_WRAPPINGS):
        value, wrappings = value.value, wrappings + 1
    signed = untag(value, _SIGNED, "the signed CoRIM")
    headers = parse_map(parse_array(signed, 4, "the signed CoRIM")[1], "the header")
    message = SignedMessage.of(signed, "the signed CoRIM")
    if message.protected:
        headers |= parse_map(parse_cbor(message.protected, "the header"), "the header")
    chain = headers.get(_X5CHAIN, [])
    chain = [chain] if isinstance(chain, bytes) else chain
    if not isinstance(chain, list | tuple) or not all(isinstance(each, bytes) for each in chain):
        raise MalformedReferenceValueError(
            "the certificates of the signed CoRIM are no byte strings"
        )
    return message, chain


def _verify(message: SignedMessage, key: SigningKey) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureError("a CoRIM is signed with ECDSA")
    message.verify(key)


def _values(data: bytes, now: datetime) -> dict[str, JSONValue]:
    corim = untag(_cbor(data, "the CoRIM"), _UNSIGNED, "the CoRIM")
    members = parse_map(corim, "the CoRIM")
    _check_validity(members.get(4), now)
    values: dict[str, JSONValue] = {}
    for tag in _list(members.get(1), "the tags of the CoRIM"):
        # Other tags, of software or of trust anchors, hold no reference triples.
        if isinstance(tag, CBORTag) and tag.tag == _COMID:
            for name, value in _comid(tag.value):
                _add(values, name, value)
    return values


def _check_validity(value: object, now: datetime) -> None:
    if value is None:
        return
    validity = parse_map(value, "the validity")
    for label in (0, 1):
        limit = validity.get(label)
        if limit is None and label == 0:
            continue
        seconds = untag(limit, _EPOCH, "a limit of the validity")
        try:
            moment = datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]  # caught
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise MalformedReferenceValueError("a limit of the validity is no time") from error
        if (now < moment) if label == 0 else (now > moment):
            raise MalformedReferenceValueError("the CoRIM is not valid now")


def _comid(value: object) -> Iterator[tuple[str, JSONValue]]:
    if not isinstance(value, bytes):
        raise MalformedReferenceValueError("a CoMID is no byte string")
    triples = parse_map(parse_map(_cbor(value, "a CoMID"), "a CoMID").get(4), "the triples")
    for triple in _list(triples.get(0, []), "the reference triples"):
        environment, measurements = parse_array(triple, 2, "a reference triple")
        place = _environment(parse_map(environment, "an environment"))
        for measurement in _list(measurements, "the measurements"):
            yield from _measurement(place, parse_map(measurement, "a measurement"))


def _environment(environment: Mapping[int, object]) -> list[str]:
    """Vendor and model of the class; an instance or a group would be lost in the name."""
    if {1, 2} & environment.keys():
        raise MalformedReferenceValueError("an environment is one instance or group")
    described = parse_map(environment.get(0, {}), "a class")
    return [_text(described[label]) for label in (1, 2) if label in described]


def _measurement(
    place: list[str], measurement: Mapping[int, object]
) -> Iterator[tuple[str, JSONValue]]:
    contents = parse_map(measurement.get(1), "the values of a measurement")
    key = [_key(measurement[0])] if 0 in measurement else []
    named = [_text(contents[label]) for label in (11, 8) if label in contents]
    path = "/".join([*place, *key, *named])
    if 5 in contents:
        raise MalformedReferenceValueError("a masked value cannot be compared whole")
    for label, kind in ((2, _digests), (4, _raw), (1, _svn)):
        if label in contents:
            leaf, value = kind(contents[label])
            yield f"{path}/{leaf}" if path else leaf, value


def _key(value: object) -> str:
    if type(value) is int and value >= 0:
        return f"claim{value}"
    if isinstance(value, CBORTag) and value.tag == _UUID:
        return str(UUID(bytes=take_bytes({0: value.value}, 0, [16])))
    return _text(value)


def _digests(value: object) -> tuple[str, JSONValue]:
    found: list[JSONValue] = []
    for digest in _list(value, "the digests"):
        algorithm, content = parse_array(digest, 2, "a digest")
        known = type(algorithm) in {int, str} and algorithm in _DIGEST_SIZES
        if not known:
            raise MalformedReferenceValueError("a digest is by none of SHA-256, SHA-384, SHA-512")
        found.append(take_bytes({0: content}, 0, [_DIGEST_SIZES[algorithm]]).hex())
    return "digests", found


def _raw(value: object) -> tuple[str, JSONValue]:
    content = value if isinstance(value, bytes) else untag(value, _BYTES, "a raw value")
    return "raw_bytes", take_bytes({0: content}, 0, []).hex()


def _svn(value: object) -> tuple[str, JSONValue]:
    name, number = "svn", value
    if isinstance(value, CBORTag):
        name = "minimum_svn" if value.tag == _MINIMUM_SVN else "svn"
        number = untag(value, _MINIMUM_SVN if value.tag == _MINIMUM_SVN else _SVN, "an svn")
    if type(number) is not int or not 0 <= number <= _MAX_SVN:
        raise MalformedReferenceValueError("an svn is no number from 0 to 2^53 - 1")
    return name, number


def _add(values: dict[str, JSONValue], name: str, value: JSONValue) -> None:
    """Digests of one name are alternatives; anything else has one value."""
    held = values.get(name)
    if isinstance(held, list) and isinstance(value, list):
        value = held + [each for each in value if each not in held]
    elif held is not None and held != value:
        raise MalformedReferenceValueError("two measurements of one name differ")
    values[name] = value


def _cbor(data: bytes, name: str) -> object:
    return parse_cbor(data, name, plain_tags=(_EPOCH, _UUID))


def _list(value: object, name: str) -> Sequence[object]:
    if not isinstance(value, list | tuple) or not value:
        raise MalformedReferenceValueError(f"{name} are no list, or nothing")
    return value


def _text(value: object) -> str:
    # A slash inside a part would make one name of two different paths.
    if not isinstance(value, str) or not value or "/" in value:
        raise MalformedReferenceValueError("a part of a name is no text without '/'")
    return value


EXTRACTOR: Extractor = CoRIMExtractor()
