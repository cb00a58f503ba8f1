"""What NVIDIA's Remote Attestation Service answers: two tokens, under the keys that it publishes.

Sources: RFC 7515 (compact JWS), RFC 7517 (key sets), RFC 7518, sections 3.4 and 6.2 (ES384 and
P-384); NVIDIA's documentation of NRAS (the pair of tokens and their claims).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.formats.nvidia_certificates import SIGNATURE_BYTES, verify_raw_signature
from app.trust.errors import SignatureError, StaleCollateralError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json, parse_json_object

LEEWAY = timedelta(seconds=60)
MAX_TOKEN_CHARACTERS = 256 * 1024

_ALGORITHM = "ES384"
_COORDINATE_BYTES = 48
_MAX_KEYS = 64
# The year 9999; later instants have no date.
_LAST_SECOND = 253_402_300_799

Keys = Mapping[str, ec.EllipticCurvePublicKey]


class NRASFormatError(ValueError):
    """The service answered something else than was agreed."""


@dataclass(frozen=True, slots=True)
class UnverifiedNRASToken:
    """A token whose signature has still to be checked.

    Attributes:
        key_id: ``kid`` of its header.
    """

    key_id: str
    signing_input: bytes
    signature: bytes
    payload: bytes

    @classmethod
    def parse(cls, text: JSONValue) -> UnverifiedNRASToken:
        """A compact JWS: three parts in base64url.

        Raises:
            NRASFormatError: it is none.
            SignatureError: its algorithm is another.
        """
        if not isinstance(text, str) or len(text) > MAX_TOKEN_CHARACTERS:
            raise NRASFormatError("a token is not text, or too long")
        try:
            header, payload, signature = text.split(".")
            members = parse_json_object(b64url_decode(header))
            decoded = b64url_decode(payload), b64url_decode(signature)
        except (ValueError, WireError) as error:
            raise NRASFormatError("a token is not a compact JWS") from error
        if members.get("alg") != _ALGORITHM or "crit" in members:
            raise SignatureError("a token of NVIDIA's service is not signed with ES384")
        key_id = members.get("kid")
        if not isinstance(key_id, str):
            raise NRASFormatError("a token does not name its key")
        return cls(key_id, f"{header}.{payload}".encode("ascii"), decoded[1], decoded[0])

    def verify(self, keys: Keys, now: datetime) -> JSONObject:
        """The claims, once the signature and the times hold.

        Raises:
            SignatureError: no key of this id, or the signature does not verify.
            StaleCollateralError: the token's time has not begun, or is over.
            NRASFormatError: the claims are no JSON object, or lack one that is required.
        """
        key = keys.get(self.key_id)
        if key is None or len(self.signature) != SIGNATURE_BYTES:
            raise SignatureError("a token of NVIDIA's service is signed by no key of its set")
        verify_raw_signature(key, self.signature, self.signing_input, "a token of NVIDIA's service")
        try:
            claims = parse_json_object(self.payload)
        except WireError as error:
            raise NRASFormatError("the claims of a token are not a JSON object") from error
        _check_times(claims, now)
        return claims


def parse_answer(body: bytes) -> tuple[UnverifiedNRASToken, UnverifiedNRASToken]:
    """The token over all and that of the one device.

    Raises:
        NRASFormatError: the answer is not ``[["JWT", …], {device: …}]`` with one device.
        SignatureError: a token is not signed with ES384.
    """
    try:
        answer = parse_json(body)
    except WireError as error:
        raise NRASFormatError("the answer is not JSON") from error
    match answer:
        case [["JWT", overall], dict(devices)] if len(devices) == 1:
            (device,) = devices.values()
            return UnverifiedNRASToken.parse(overall), UnverifiedNRASToken.parse(device)
    raise NRASFormatError("the answer is not a token and that of one device")


def parse_key_set(body: bytes) -> Keys:
    """The P-384 keys of a key set by id; other keys are left alone.

    Raises:
        NRASFormatError: it is no key set, or has no such key.
    """
    try:
        entries = parse_json_object(body).get("keys")
    except WireError as error:
        raise NRASFormatError("the key set is not a JSON object") from error
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise NRASFormatError(f"the key set has no list of at most {_MAX_KEYS} keys")
    found = {}
    for entry in entries:
        match entry:
            case {"kty": "EC", "crv": "P-384", "kid": str(key_id), "x": str(x), "y": str(y)}:
                found[key_id] = _key(x, y)
    if not found:
        raise NRASFormatError("the key set has no key on P-384")
    return found


def _key(x: str, y: str) -> ec.EllipticCurvePublicKey:
    try:
        point = [b64url_decode(each) for each in (x, y)]
        if [len(each) for each in point] != [_COORDINATE_BYTES] * 2:
            raise NRASFormatError("a key has coordinates of another length")
        return ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP384R1(), b"\x04" + b"".join(point)
        )
    except (WireError, ValueError) as error:
        raise NRASFormatError("a key of the key set does not parse") from error


def _check_times(claims: JSONObject, now: datetime) -> None:
    if not isinstance(claims.get("iss"), str):
        raise NRASFormatError("a token does not name its issuer")
    _instant(claims, "iat")
    if now + LEEWAY < _instant(claims, "nbf"):
        raise StaleCollateralError("the time of a token of NVIDIA's service has not begun")
    if now - LEEWAY >= _instant(claims, "exp"):
        raise StaleCollateralError("the time of a token of NVIDIA's service is over")


def _instant(claims: JSONObject, name: str) -> datetime:
    value = claims.get(name)
    # In Python a bool is an int; in a token it is no time.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NRASFormatError(f"a token has no {name}")
    if not 0 <= value <= _LAST_SECOND:
        raise NRASFormatError(f"the {name} of a token is no date")
    return datetime.fromtimestamp(value, UTC)
