"""The plain message: a JSON object as it stands."""

from __future__ import annotations

import pytest
from message_signing import CI

from app.attestation.extractors.plain_json import EXTRACTOR
from app.trust.errors import MalformedReferenceValueError

WHOLE = '{"a": ["1"], "rvps:///c/d:e": {"f": null}}'


@pytest.mark.parametrize(
    "payload",
    [
        "[]",
        "null",
        "e30=",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a":' * 1000,
        '{"a": ' + "[" * 100 + "]" * 100 + "}",
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=lambda payload: f"{len(payload)}-long",
)
def test_refuses_any_other_payload(payload: str) -> None:
    """Two meanings, none, too deep, or a number without end."""
    with pytest.raises(MalformedReferenceValueError):
        EXTRACTOR.extract(payload, CI)


def test_no_beginning_of_a_message_is_one() -> None:
    """A message that was cut off is refused wherever the cut is."""
    for length in range(len(WHOLE)):
        with pytest.raises(MalformedReferenceValueError):
            EXTRACTOR.extract(WHOLE[:length], CI)


def test_every_member_is_a_value() -> None:
    """Values as they are; nobody signed them."""
    found = EXTRACTOR.extract(WHOLE, CI)
    assert found.values == {"a": ["1"], "rvps:///c/d:e": {"f": None}}
    assert found.signer is None
