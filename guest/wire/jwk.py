"""The TEE's public key as a JWK (RFC 7517, RFC 7518 section 6; ``kbs-types`` ``TeePubKey``).

A key keeps the text of its members as it came, because both sides hash that text. Members that the
protocol does not know are dropped before anything is hashed, on both sides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from guest.wire.canonical import canonical_json
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.members import object_value, text_member

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
ML_KEM_768_ALGORITHM = "ML-KEM-768+A192KW"
ML_KEM_768_KEY_BYTES = 1184

# Coordinates have the full length of the field (RFC 7518, 6.2.1.2).
CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}

_ALGORITHM_LIMIT = 64
_NUMBER_LIMIT = 1024
_AKP_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class RSAPublicJWK:
    """An RSA key; ``n`` and ``e`` are base64url of the big-endian numbers without leading zeros."""

    alg: str
    n: str
    e: str

    def as_json(self) -> dict[str, str]:
        """The members of the wire, which are also what is hashed."""
        return {"kty": "RSA", "alg": self.alg, "n": self.n, "e": self.e}

    def thumbprint(self) -> str:
        """SHA-256 thumbprint (RFC 7638), base64url."""
        return _thumbprint({"e": self.e, "kty": "RSA", "n": self.n})

    def public_key(self) -> rsa.RSAPublicKey:
        """The key itself.

        Raises:
            WireError: the numbers make no RSA key of 2048 to 4096 bits.
        """
        modulus = _number(self.n, "n")
        exponent = _number(self.e, "e")
        if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
            raise WireError(f"the RSA key has not {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
        if exponent.bit_length() > 64:
            raise WireError("the RSA exponent is larger than 64 bits")
        try:
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        except ValueError as error:
            raise WireError("the numbers make no RSA key") from error


@dataclass(frozen=True, slots=True)
class ECPublicJWK:
    """A point on a NIST curve; ``x`` and ``y`` are base64url of the full length of the field."""

    crv: str
    alg: str
    x: str
    y: str

    def as_json(self) -> dict[str, str]:
        """The members of the wire, which are also what is hashed."""
        return {"kty": "EC", "crv": self.crv, "alg": self.alg, "x": self.x, "y": self.y}

    def thumbprint(self) -> str:
        """SHA-256 thumbprint (RFC 7638), base64url."""
        return _thumbprint({"crv": self.crv, "kty": "EC", "x": self.x, "y": self.y})

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key itself.

        Raises:
            WireError: unknown curve, coordinates of another length, or a point off the curve.
        """
        return load_point(self.crv, self.x, self.y)


@dataclass(frozen=True, slots=True)
class AKPPublicJWK:
    """A key whose algorithm says everything (``AKP``); ``pub`` is base64url of the raw key."""

    alg: str
    pub: str

    def as_json(self) -> dict[str, str]:
        """The members of the wire, which are also what is hashed."""
        return {"kty": "AKP", "alg": self.alg, "pub": self.pub}

    def thumbprint(self) -> str:
        """SHA-256 thumbprint (RFC 7638; the members of the AKP registration), base64url."""
        return _thumbprint({"alg": self.alg, "kty": "AKP", "pub": self.pub})

    def raw(self) -> bytes:
        """The raw public key.

        Raises:
            WireError: not base64url, or not 1184 bytes though the algorithm is ML-KEM-768.
        """
        raw = b64url_decode(self.pub)
        if self.alg == ML_KEM_768_ALGORITHM and len(raw) != ML_KEM_768_KEY_BYTES:
            raise WireError(f"an ML-KEM-768 key has {ML_KEM_768_KEY_BYTES} bytes")
        return raw


TEEPublicKey: TypeAlias = RSAPublicJWK | ECPublicJWK | AKPPublicJWK


def parse_tee_public_key(value: JSONValue) -> TEEPublicKey:
    """The TEE key of a JWK; members unknown to the protocol are dropped.

    Whether an algorithm can be served is decided when something is sealed, not here.

    Raises:
        WireError: wrong shape, unknown ``kty`` or curve, coordinates of the wrong length, a point
            off the curve, an RSA key below 2048 or above 4096 bits.
    """
    members = object_value(value, "the TEE key")
    kind = text_member(members, "kty", limit=8)
    if kind == "EC":
        return _parse_ec(members)
    if kind == "RSA":
        return _parse_rsa(members)
    if kind == "AKP":
        return _parse_akp(members)
    raise WireError("the TEE key's kty is none of EC, RSA, AKP")


def load_point(crv: str, x: str, y: str) -> ec.EllipticCurvePublicKey:
    """The key of a curve's JWK name and its base64url coordinates.

    Raises:
        WireError: unknown curve, coordinates of another length, or a point off the curve.
    """
    if crv not in CURVES:
        raise WireError(f"the curve is none of {', '.join(CURVES)}")
    curve, size = CURVES[crv]
    coordinates = [b64url_decode(x), b64url_decode(y)]
    if any(len(coordinate) != size for coordinate in coordinates):
        raise WireError(f"a coordinate on {crv} has {size} bytes")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(coordinates[0], "big"), int.from_bytes(coordinates[1], "big"), curve
    )
    try:
        return numbers.public_key()
    except ValueError as error:
        raise WireError("the point is not on its curve") from error


def point_members(key: ec.EllipticCurvePublicKey) -> tuple[str, str, str]:
    """``crv``, ``x`` and ``y`` of a key on one of ``CURVES``.

    Raises:
        WireError: the key is on another curve.
    """
    for crv, (curve, size) in CURVES.items():
        if curve.name == key.curve.name:
            numbers = key.public_numbers()
            x, y = (value.to_bytes(size, "big") for value in (numbers.x, numbers.y))
            return crv, b64url_encode(x), b64url_encode(y)
    raise WireError(f"the curve is none of {', '.join(CURVES)}")


def _parse_ec(members: JSONObject) -> ECPublicJWK:
    key = ECPublicJWK(
        crv=text_member(members, "crv", limit=8),
        alg=text_member(members, "alg", limit=_ALGORITHM_LIMIT),
        x=text_member(members, "x", limit=_NUMBER_LIMIT),
        y=text_member(members, "y", limit=_NUMBER_LIMIT),
    )
    key.public_key()
    return key


def _parse_rsa(members: JSONObject) -> RSAPublicJWK:
    key = RSAPublicJWK(
        alg=text_member(members, "alg", limit=_ALGORITHM_LIMIT),
        n=text_member(members, "n", limit=_NUMBER_LIMIT),
        e=text_member(members, "e", limit=_NUMBER_LIMIT),
    )
    key.public_key()
    return key


def _parse_akp(members: JSONObject) -> AKPPublicJWK:
    key = AKPPublicJWK(
        alg=text_member(members, "alg", limit=_ALGORITHM_LIMIT),
        pub=text_member(members, "pub", limit=_AKP_LIMIT),
    )
    key.raw()
    return key


def _number(text: str, name: str) -> int:
    raw = b64url_decode(text)
    if not raw or raw[0] == 0:
        raise WireError(f"the RSA number {name} is empty or begins with a zero byte")
    return int.from_bytes(raw, "big")


def _thumbprint(required: dict[str, str]) -> str:
    return b64url_encode(hashlib.sha256(canonical_json(required)).digest())
