"""Tokens as the guest holds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.aa.tokens import TEEToken, renewal_time
from guest.errors import MalformedTokenError
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.encoding import b64url_encode

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NOON_SECONDS = int(NOON.timestamp())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "a.*.c",
        f"a.{b64url_encode(b'[]')}.c",
        f"a.{b64url_encode(b'{}')}.c",
        f"a.{b64url_encode(b'not json')}.c",
    ],
)
def test_refuses_what_is_no_token(token: str) -> None:
    """Three parts, of which the middle is JSON with an expiry."""
    with pytest.raises(MalformedTokenError):
        renewal_time(token, NOON)


@pytest.mark.parametrize("value", ["1", True, [], -1, {}])
def test_refuses_times_that_are_none(jwt: Any, value: Any) -> None:
    """NumericDate is a number."""
    with pytest.raises(MalformedTokenError):
        renewal_time(jwt(exp=value), NOON)
    with pytest.raises(MalformedTokenError):
        renewal_time(jwt(exp=NOON_SECONDS + 300, iat=value), NOON)


@pytest.mark.parametrize(
    ("claims", "after"),
    [
        ({"exp": 300, "iat": 0}, 270),
        ({"exp": 300}, 270),
        ({"exp": 3600, "iat": 0}, 3570),
        ({"exp": 10, "iat": 0}, 9),
        # A server whose clock is ahead, or behind.
        ({"exp": 3900, "iat": 3600}, 270),
        ({"exp": 100, "iat": -200}, 90),
        ({"exp": -100, "iat": -400}, 0),
    ],
)
def test_is_renewed_shortly_before_it_ends(jwt: Any, claims: dict[str, int], after: int) -> None:
    """Half a minute, or a tenth of a short life; a skewed clock shortens it only."""
    token = jwt(**{name: NOON_SECONDS + value for name, value in claims.items()})
    assert renewal_time(token, NOON) == NOON + timedelta(seconds=after)


@settings(max_examples=200, deadline=None)
@given(expiry=st.floats() | st.integers(), issued=st.floats() | st.integers())
def test_any_number_is_a_time_or_refused(expiry: float, issued: float) -> None:
    """Beyond the calendar too."""
    payload = f'{{"exp":{expiry!r},"iat":{issued!r}}}'.encode()
    try:
        renew_at = renewal_time(f"a.{b64url_encode(payload)}.c", NOON)
    except MalformedTokenError:
        return
    assert renew_at.tzinfo is UTC


def test_travels_as_upstream_has_it() -> None:
    """Token and key pair; neither shows in a log."""
    pair = TEEKeyPair.generate()
    token = TEEToken("canary.b.c", pair, NOON)
    assert token.as_json() == {"token": "canary.b.c", "tee_keypair": pair.to_pem()}
    assert "canary" not in repr(token)
    assert "PRIVATE" not in repr(token)
