"""SM2 signatures, verified only (GB/T 32918.2-2016 over the curve of GB/T 32918.5-2017).

Our own, because the cryptography library has the hash of this family (SM3) and not its signatures.
Everything here is public: keys, messages and signatures come from strangers, so nothing leaks by
how long it takes, and no step needs constant time. Points are Jacobian, ``(x/z², y/z³)``, and
``z = 0`` is infinity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import hashes

# The recommended curve, y² = x³ - 3x + b, with its base point and the order of that.
_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A = _P - 3
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
_GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

SIZE = 32  # bytes of a coordinate, of r and of s

# Bits of the digits that multipliers are cut into: many for the base point, whose table is made
# once, few for a key, whose table is made for each signature.
_BASE_WIDTH = 8
_KEY_WIDTH = 5

_Point = tuple[int, int, int]
_INFINITY: _Point = (1, 1, 0)


class SM2Error(ValueError):
    """The key is no point of the curve, or the signature does not verify."""


@dataclass(frozen=True, slots=True)
class SM2Signature:
    """A signature as its two numbers; ``verify_signature`` judges their range."""

    r: int
    s: int


@dataclass(frozen=True, slots=True)
class SM2PublicKey:
    """A point and the name that its owner signs under.

    Attributes:
        x: affine coordinate.
        y: affine coordinate.
        user_id: at most 8191 bytes; it goes into every digest that is signed.

    Raises:
        SM2Error: no point of the curve, or the name is too long.
    """

    x: int
    y: int
    user_id: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.x < _P and 0 <= self.y < _P):
            raise SM2Error("a coordinate is outside the field")
        if (self.y * self.y - self.x * self.x * self.x - _A * self.x - _B) % _P:
            raise SM2Error("the key is not a point of the curve")
        if 8 * len(self.user_id) > 0xFFFF:
            raise SM2Error("the user id is too long")

    def identity_digest(self) -> bytes:
        """Z, 32 bytes: what binds curve, key and user id to a signature (section 5.5)."""
        numbers = (_A, _B, _GX, _GY, self.x, self.y)
        length = (8 * len(self.user_id)).to_bytes(2, "big")
        return sm3(length + self.user_id + b"".join(each.to_bytes(SIZE, "big") for each in numbers))


def sm3(data: bytes) -> bytes:
    """The SM3 digest, 32 bytes (GB/T 32905-2016)."""
    state = hashes.Hash(hashes.SM3())
    state.update(data)
    return state.finalize()


def verify_signature(key: SM2PublicKey, message: bytes, signature: SM2Signature) -> None:
    """The key's owner has signed the message (section 7.1, steps B1 to B7).

    Raises:
        SM2Error: not so.
    """
    r, s = signature.r, signature.s
    if not (1 <= r < _N and 1 <= s < _N):
        raise SM2Error("a part of the signature is out of range")
    t = (r + s) % _N
    if t == 0:
        raise SM2Error("the parts of the signature cancel out")
    digest = int.from_bytes(sm3(key.identity_digest() + message), "big")
    x, _, z = _combine(s, t, (key.x, key.y, 1))
    # At infinity there is no x, and no honest signature leads there.
    if z == 0 or (digest + x * pow(z, -2, _P) % _P) % _N != r:
        raise SM2Error("the signature does not verify")


def _combine(s: int, t: int, key: _Point) -> _Point:
    """``s·G + t·key``: both multipliers share their doublings (Shamir's trick)."""
    terms = (
        (_digits(s, _BASE_WIDTH), _base_multiples()),
        (_digits(t, _KEY_WIDTH), _odd_multiples(key, _KEY_WIDTH)),
    )
    total = _INFINITY
    for bit in range(_N.bit_length(), -1, -1):
        total = _double(total)
        for digits, multiples in terms:
            digit = digits.get(bit, 0)
            if digit > 0:
                total = _add(total, multiples[digit >> 1])
            elif digit < 0:
                x, y, z = multiples[-digit >> 1]
                total = _add(total, (x, -y, z))
    return total


def _digits(number: int, width: int) -> dict[int, int]:
    """Odd digits between ``±2**(width - 1)`` by bit: their sum, each ``<< bit``, is the number."""
    digits = {}
    bit = 0
    while number:
        zeros = (number & -number).bit_length() - 1
        number, bit = number >> zeros, bit + zeros
        digit = number & ((1 << width) - 1)
        digit -= (digit >> width - 1) << width
        digits[bit] = digit
        number -= digit
    return digits


@cache
def _base_multiples() -> tuple[_Point, ...]:
    return _odd_multiples((_GX, _GY, 1), _BASE_WIDTH)


def _odd_multiples(point: _Point, width: int) -> tuple[_Point, ...]:
    """The point times 1, 3, 5, … below ``2**(width - 1)``."""
    twice = _double(point)
    multiples = [point]
    for _ in range((1 << width - 2) - 1):
        multiples.append(_add(multiples[-1], twice))
    return tuple(multiples)


def _double(point: _Point) -> _Point:
    x, y, z = point
    zz, yy = z * z % _P, y * y % _P
    beta = x * yy % _P
    slope = 3 * (x - zz) * (x + zz) % _P
    doubled = (slope * slope - 8 * beta) % _P
    return doubled, (slope * (4 * beta - doubled) - 8 * yy * yy) % _P, 2 * y * z % _P


def _add(left: _Point, right: _Point) -> _Point:
    (x1, y1, z1), (x2, y2, z2) = left, right
    if z1 == 0 or z2 == 0:
        return right if z1 == 0 else left
    zz1, zz2 = z1 * z1 % _P, z2 * z2 % _P
    u1, s1 = x1 * zz2 % _P, y1 * zz2 * z2 % _P
    run, rise = (x2 * zz1 - u1) % _P, (y2 * zz1 * z1 - s1) % _P
    if run == 0:
        return _double(left) if rise == 0 else _INFINITY
    square = run * run % _P
    cube, v = run * square % _P, u1 * square % _P
    x = (rise * rise - cube - 2 * v) % _P
    return x, (rise * (v - x) - s1 * cube) % _P, z1 * z2 * run % _P
