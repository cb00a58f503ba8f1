"""The sample message: base64 of a JSON object."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_signing import CI

from app.attestation.extractors.sample import EXTRACTOR
from app.trust.errors import MalformedReferenceValueError
from guest.wire.encoding import b64_encode


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "?",
        "e30",
        b64_encode(b"[]"),
        b64_encode(b"null"),
        b64_encode(b'{"a": 1, "a": 2}'),
        b64_encode(b'{"a": NaN}'),
        b64_encode(b"\xff"),
        b64_encode(b'{"a":' * 100),
    ],
)
def test_refuses_any_other_payload(payload: str) -> None:
    """What has two meanings, or none, is not registered."""
    with pytest.raises(MalformedReferenceValueError):
        EXTRACTOR.extract(payload, CI)


@given(st.text(max_size=60))
def test_no_text_makes_it_crash(payload: str) -> None:
    """It is read or refused."""
    try:
        EXTRACTOR.extract(payload, CI)
    except MalformedReferenceValueError:
        return


def test_every_member_is_a_value() -> None:
    """Lists, numbers, texts, truth values and objects, as they are."""
    payload = b64_encode(b'{"a": ["1"], "b": 1, "rvps:///c/d:e": {"f": null}, "g": true}')
    assert EXTRACTOR.extract(payload, CI).values == {
        "a": ["1"],
        "b": 1,
        "rvps:///c/d:e": {"f": None},
        "g": True,
    }
