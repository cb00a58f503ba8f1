"""Secrets that are made here: only stored, never shown."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType


def _text(byte_count: int) -> bytes:
    return secrets.token_urlsafe(byte_count).encode()


# What a form offers, by the words it is offered with.
RECIPES: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "32 random bytes": lambda: secrets.token_bytes(32),
        "64 random bytes": lambda: secrets.token_bytes(64),
        "32 random bytes as base64": lambda: base64.b64encode(secrets.token_bytes(32)),
        "32 random bytes as hex": lambda: secrets.token_hex(32).encode(),
        "passphrase of 43 characters": lambda: _text(32),
    }
)
