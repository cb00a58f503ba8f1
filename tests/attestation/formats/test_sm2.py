"""SM2 against the standard's own example, another implementation, and everything that is off."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.hygon import G, Key, N, P, times

from app.attestation.formats.sm2 import (
    SM2Error,
    SM2PublicKey,
    SM2Signature,
    sm3,
    verify_signature,
)

# The example of GB/T 32918.5-2017, annex A.2.
EXAMPLE = SM2PublicKey(
    0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020,
    0xCCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13,
    b"1234567812345678",
)
SECRET = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
IDENTITY = "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
MESSAGE = b"message digest"
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA


def refused(key: SM2PublicKey, message: bytes, r: int, s: int) -> None:
    """The signature must not verify."""
    with pytest.raises(SM2Error):
        verify_signature(key, message, SM2Signature(r, s))


OFF: dict[str, tuple[bytes, int, int]] = {
    "another message": (b"message digesu", R, S),
    "no message": (b"", R, S),
    "r and s exchanged": (MESSAGE, S, R),
    "r is zero": (MESSAGE, 0, S),
    "s is zero": (MESSAGE, R, 0),
    "r is the order": (MESSAGE, N, S),
    "s is the order": (MESSAGE, R, N),
    "r once around": (MESSAGE, R + N, S),
    "s once around": (MESSAGE, R, S + N),
    "a negative r": (MESSAGE, R - N, S),
    "parts that cancel out": (MESSAGE, R, N - R),
    "the negative s": (MESSAGE, R, N - S),
}


@pytest.mark.parametrize("name", OFF)
def test_what_is_off_is_refused(name: str) -> None:
    """One thing differs from the standard's example."""
    refused(EXAMPLE, *OFF[name])


@pytest.mark.parametrize("bit", range(0, 256, 3))
def test_one_flipped_bit_of_a_signature_is_refused(bit: int) -> None:
    """In either half."""
    refused(EXAMPLE, MESSAGE, R ^ 1 << bit, S)
    refused(EXAMPLE, MESSAGE, R, S ^ 1 << bit)


def test_another_name_or_key_is_refused() -> None:
    """The user id is signed, and so is the key itself."""
    refused(SM2PublicKey(EXAMPLE.x, EXAMPLE.y, b"1234567812345679"), MESSAGE, R, S)
    refused(SM2PublicKey(EXAMPLE.x, P - EXAMPLE.y, EXAMPLE.user_id), MESSAGE, R, S)


POINTS: dict[str, tuple[int, int]] = {
    "the origin": (0, 0),
    "off the curve": (EXAMPLE.x, EXAMPLE.y + 1),
    "x once around": (EXAMPLE.x + P, EXAMPLE.y),
    "y once around": (EXAMPLE.x, EXAMPLE.y + P),
    "a negative y": (EXAMPLE.x, -EXAMPLE.y),
}


@pytest.mark.parametrize("name", POINTS)
def test_a_key_is_a_point_of_the_curve(name: str) -> None:
    """With coordinates in their one form."""
    with pytest.raises(SM2Error):
        SM2PublicKey(*POINTS[name], b"")


def test_a_name_fits_into_its_length() -> None:
    """Two bytes count its bits."""
    assert SM2PublicKey(*G, bytes(8191)).identity_digest()
    with pytest.raises(SM2Error):
        SM2PublicKey(*G, bytes(8192))


def test_a_signature_made_to_end_at_infinity_is_refused() -> None:
    """``s·G + t·key`` is nothing when ``s + t·secret`` is a multiple of the order."""
    t = 5
    s = -t * SECRET % N
    refused(EXAMPLE, MESSAGE, (t - s) % N, s)


def test_sm3_gives_the_standards_digest() -> None:
    """GB/T 32905-2016, annex A.1."""
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_the_standards_example_verifies() -> None:
    """Identity digest and signature, as printed there; the key is that of its secret."""
    assert times(SECRET, G) == (EXAMPLE.x, EXAMPLE.y)
    assert EXAMPLE.identity_digest().hex() == IDENTITY
    verify_signature(EXAMPLE, MESSAGE, SM2Signature(R, S))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), message=st.binary(max_size=100))
def test_signatures_of_another_implementation_verify(seed: int, message: bytes) -> None:
    """Textbook formulas on affine points sign what our Jacobian ones verify, and nothing else."""
    key = Key("SOMEONE", 0, seed)
    public = SM2PublicKey(*key.point, key.user_id)
    r, s = key.sign(message)
    verify_signature(public, message, SM2Signature(r, s))
    refused(public, message + b"\0", r, s)


@pytest.mark.parametrize("secret", [1, 2, 3, N - 2, N - 3])
def test_keys_close_to_the_base_point_verify(secret: int) -> None:
    """Where additions meet the same point twice, or its negative."""
    key = Key("CLOSE", 0)
    object.__setattr__(key, "secret", secret)
    object.__setattr__(key, "point", times(secret, G))
    verify_signature(
        SM2PublicKey(*key.point, key.user_id), MESSAGE, SM2Signature(*key.sign(MESSAGE))
    )
