"""Tokens of NVIDIA's service: no byte of a signed one may change."""

from __future__ import annotations

import pytest
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.nras import SimulatedNRAS, judgement

from app.attestation.formats.nras_tokens import (
    MAX_TOKEN_CHARACTERS,
    NRASFormatError,
    UnverifiedNRASToken,
    parse_answer,
    parse_key_set,
)
from app.trust.errors import SignatureError

SERVICE = SimulatedNRAS()
KEYS = {"nv-1": SERVICE.key.public_key()}
TOKEN = SERVICE.token(judgement())


def test_a_token_gives_its_claims() -> None:
    """The faultless case."""
    assert UnverifiedNRASToken.parse(TOKEN).verify(KEYS, NOON) == judgement()


@pytest.mark.parametrize("step", [1, 17])
def test_one_changed_letter_anywhere_is_refused(step: int) -> None:
    """In header, claims and signature, and at the dots between them."""
    for at in range(0, len(TOKEN), 3):
        letter = chr((ord(TOKEN[at]) - 45 + step) % 78 + 45)
        changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
        with pytest.raises((SignatureError, NRASFormatError)):
            UnverifiedNRASToken.parse(changed).verify(KEYS, NOON)


def test_a_token_that_is_cut_is_refused() -> None:
    """At every length."""
    for length in range(len(TOKEN)):
        with pytest.raises((SignatureError, NRASFormatError)):
            UnverifiedNRASToken.parse(TOKEN[:length]).verify(KEYS, NOON)


@pytest.mark.parametrize("claims", [[], "text", 1, None])
def test_claims_are_an_object(claims: object) -> None:
    """Even when they are signed."""
    with pytest.raises(NRASFormatError):
        UnverifiedNRASToken.parse(SERVICE.token(claims)).verify(KEYS, NOON)


def test_a_token_of_a_megabyte_is_not_looked_at() -> None:
    """Tokens of one device are far below."""
    with pytest.raises(NRASFormatError, match="too long"):
        UnverifiedNRASToken.parse("." * (MAX_TOKEN_CHARACTERS + 1))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_no_bytes_break_the_parsers(data: bytes) -> None:
    """Whatever the outside answers."""
    for parse in (parse_answer, parse_key_set):
        with pytest.raises(NRASFormatError):
            parse(data)
    with pytest.raises(NRASFormatError):
        UnverifiedNRASToken.parse(data.decode("latin-1"))
