"""Messages signed once: of every algorithm, and refused for what is off."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from simulated.cca import cose_key, point, sign

from app.attestation.formats.cose_sign1 import SignedMessage, parse_cose_key, parse_point
from app.trust.errors import MalformedEvidenceError, SignatureError

CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = point(KEY)


def test_one_flipped_bit_of_a_message_is_refused() -> None:
    """Wherever it is: in the headers, in the payload, in the signature."""
    message = sign(KEY, b"payload")
    for offset in range(len(message)):
        changed = bytearray(message)
        changed[offset] ^= 1 << offset % 8
        with pytest.raises((SignatureError, MalformedEvidenceError)):
            SignedMessage.parse(bytes(changed), "the test").verify(KEY.public_key())


@pytest.mark.parametrize("curve", CURVES[1:])
def test_a_key_of_another_curve_is_refused(curve: Any) -> None:
    """Even where it would not fit anyway."""
    message = SignedMessage.parse(sign(KEY, b"payload"), "the test")
    with pytest.raises(SignatureError):
        message.verify(ec.generate_private_key(curve).public_key())


@pytest.mark.parametrize("numbers", [(0, 0), (1, 0), (0, 1), (2**256 - 1, 2**256 - 1)])
def test_signatures_out_of_range_are_refused(numbers: tuple[int, int]) -> None:
    """No number that the curve's order has not."""
    parts = [*cbor2.loads(sign(KEY, b"payload", tagged=False))]
    parts[3] = b"".join(number.to_bytes(32, "big") for number in numbers)
    with pytest.raises(SignatureError):
        SignedMessage.parse(cbor2.dumps(parts), "the test").verify(KEY.public_key())


PLAIN = {1: 2, -1: 1, -2: PUBLIC[1:33], -3: PUBLIC[33:]}
BAD_KEYS = {
    "no map": [],
    "no type": {label: value for label, value in PLAIN.items() if label != 1},
    "another type": {**PLAIN, 1: 1},
    "another curve": {**PLAIN, -1: 6},
    "the wrong curve": {**PLAIN, -1: 2},
    "a short coordinate": {**PLAIN, -2: bytes(31)},
    "a sign for a coordinate": {**PLAIN, -3: True},
    "no coordinate": {label: value for label, value in PLAIN.items() if label != -3},
    "off the curve": {**PLAIN, -2: bytes(32)},
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_is_malformed(name: str) -> None:
    """Before it is used."""
    with pytest.raises(MalformedEvidenceError):
        parse_cose_key(cbor2.dumps(BAD_KEYS[name]), "the test")


@pytest.mark.parametrize(
    "data",
    [b"", PUBLIC[1:], b"\x02" + PUBLIC[1:33], b"\x06" + PUBLIC[1:]],
    ids=["empty", "without its form", "compressed", "hybrid"],
)
def test_a_point_is_uncompressed(data: bytes) -> None:
    """One key is written in one way."""
    with pytest.raises(MalformedEvidenceError):
        parse_point(data, ec.SECP256R1(), "the test")


@pytest.mark.parametrize("curve", CURVES)
def test_messages_and_keys_of_every_curve_verify(curve: Any) -> None:
    """Tagged or not."""
    key = ec.generate_private_key(curve)
    public = parse_cose_key(cose_key(key), "the test")
    assert public == parse_point(point(key), curve, "the test") == key.public_key()
    for tagged in (True, False):
        message = SignedMessage.parse(sign(key, b"payload", tagged=tagged), "the test")
        message.verify(public)
        assert message.unverified_payload == b"payload"
