"""Messages signed once (COSE_Sign1: RFC 9052, section 4.2), and the keys that sign them.

Only what attestation tokens use: ECDSA (RFC 9053, section 2.1), no external data, no header that
has to be understood.
"""

from __future__ import annotations

from dataclasses import dataclass

from cbor2 import CBORTag, dumps
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from app.attestation.formats.cbor import (
    parse_array,
    parse_cbor,
    parse_map,
    take_bytes,
    take_integer,
    untag,
)
from app.trust.errors import MalformedEvidenceError, SignatureError

_TAG = 18
_ALGORITHM = 1
_CRITICAL = 2


@dataclass(frozen=True, slots=True)
class _ECDSA:
    """A signature algorithm: its curve, its hash, and the bytes of r and of s."""

    curve: type[ec.EllipticCurve]
    hash: type[hashes.HashAlgorithm]
    size: int


# ES256, ES384 and ES512, each with the one curve that tokens use it with.
_ALGORITHMS = {
    -7: _ECDSA(ec.SECP256R1, hashes.SHA256, 32),
    -35: _ECDSA(ec.SECP384R1, hashes.SHA384, 48),
    -36: _ECDSA(ec.SECP521R1, hashes.SHA512, 66),
}
_COSE_CURVES: dict[int, tuple[ec.EllipticCurve, int]] = {
    1: (ec.SECP256R1(), 32),
    2: (ec.SECP384R1(), 48),
    3: (ec.SECP521R1(), 66),
}


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message whose signature nobody has checked yet.

    Attributes:
        protected: the protected header as it stood.
        algorithm: a COSE algorithm that is known here.
        unverified_payload: what was signed.
        signature: r and s, of the length of the algorithm.
    """

    protected: bytes
    algorithm: int
    unverified_payload: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, name: str) -> SignedMessage:
        """Read a message, with the tag 18 or without a tag.

        Raises:
            MalformedEvidenceError: it is none, its algorithm is unknown, or it has headers that
                would have to be understood.
        """
        value = parse_cbor(data, name)
        if isinstance(value, CBORTag):
            value = untag(value, _TAG, name)
        return cls.of(value, name)

    @classmethod
    def of(cls, value: object, name: str) -> SignedMessage:
        """The message that an array without its tag is.

        Raises:
            MalformedEvidenceError: as ``parse``.
        """
        protected, unprotected, payload, signature = parse_array(value, 4, name)
        if not all(isinstance(each, bytes) for each in (protected, payload, signature)):
            raise MalformedEvidenceError(f"a part of {name} is not a byte string")
        assert isinstance(protected, bytes)
        assert isinstance(payload, bytes)
        assert isinstance(signature, bytes)
        algorithm = _algorithm(protected, unprotected, name)
        if len(signature) != 2 * _ALGORITHMS[algorithm].size:
            raise MalformedEvidenceError(f"the signature of {name} has another length")
        return cls(protected, algorithm, payload, signature)

    def verify(self, key: ec.EllipticCurvePublicKey) -> None:
        """The key signed the message.

        Raises:
            SignatureError: not so, or the algorithm is not that of the key's curve.
        """
        algorithm = _ALGORITHMS[self.algorithm]
        if not isinstance(key.curve, algorithm.curve):
            raise SignatureError("a message's algorithm is not that of its key")
        signed = dumps(["Signature1", self.protected, b"", self.unverified_payload])
        r, s = self.signature[: algorithm.size], self.signature[algorithm.size :]
        der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        try:
            key.verify(der, signed, ec.ECDSA(algorithm.hash()))
        except InvalidSignature as error:
            raise SignatureError("the signature over a message does not verify") from error


def parse_cose_key(data: bytes, name: str) -> ec.EllipticCurvePublicKey:
    """The elliptic-curve key of a COSE_Key (RFC 9053, section 7.1.1).

    Raises:
        MalformedEvidenceError: it is none, or no point of its curve.
    """
    members = parse_map(parse_cbor(data, name), name)
    curve = _COSE_CURVES.get(take_integer(members, -1))
    if take_integer(members, 1) != 2 or curve is None:
        raise MalformedEvidenceError(f"{name} is not a key of a known curve")
    x, y = (take_bytes(members, label, [curve[1]]) for label in (-2, -3))
    return parse_point(b"\x04" + x + y, curve[0], name)


def parse_point(data: bytes, curve: ec.EllipticCurve, name: str) -> ec.EllipticCurvePublicKey:
    """The key that an uncompressed point is (SEC 1, section 2.3.4).

    Raises:
        MalformedEvidenceError: another length or form, or no point of the curve.
    """
    # The library would take a compressed point as well: one key, two ways to write it.
    if len(data) != 1 + 2 * ((curve.key_size + 7) // 8) or data[0] != 4:
        raise MalformedEvidenceError(f"{name} is not an uncompressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)
    except ValueError as error:
        raise MalformedEvidenceError(f"{name} is not a point of its curve") from error


def _algorithm(protected: bytes, unprotected: object, name: str) -> int:
    """The algorithm of the protected header, or else of the other."""
    headers = parse_map(unprotected, name)
    if protected:
        headers |= parse_map(parse_cbor(protected, name), name)
    if _CRITICAL in headers:
        raise MalformedEvidenceError(f"{name} has headers that must be understood")
    algorithm = take_integer(headers, _ALGORITHM)
    if algorithm not in _ALGORITHMS:
        raise MalformedEvidenceError(f"{name} is signed with an unknown algorithm")
    return algorithm
