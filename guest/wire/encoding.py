"""Strict base64 and base64url: one text for every byte string, because slack becomes a bug."""

from __future__ import annotations

import base64
import binascii

from guest.wire.errors import WireError


def b64_encode(data: bytes) -> str:
    """Standard alphabet with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def b64_decode(text: str) -> bytes:
    """The bytes of standard base64 with padding.

    Raises:
        WireError: another alphabet, missing padding, white space, or stray bits at the end.
    """
    return _decode(text, text, b"+/")


def b64url_encode(data: bytes) -> str:
    """URL-safe alphabet without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """The bytes of base64url without padding.

    Raises:
        WireError: another alphabet, padding, white space, or stray bits at the end.
    """
    if not isinstance(text, str) or "=" in text:
        raise WireError("not base64url without padding")
    return _decode(text, text + "=" * (-len(text) % 4), b"-_")


def _decode(text: str, padded: str, alphabet: bytes) -> bytes:
    try:
        data = base64.b64decode(padded.encode("ascii"), altchars=alphabet, validate=True)
    except (ValueError, AttributeError, binascii.Error) as error:
        raise WireError("not valid base64") from error
    canonical = base64.b64encode(data, altchars=alphabet).decode("ascii")
    if canonical != padded or (alphabet == b"-_" and canonical.rstrip("=") != text):
        raise WireError("base64 with stray bits at its end")
    return data
