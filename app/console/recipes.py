"""Secrets that are made here: only stored, never shown."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.trust.errors import MalformedRequestError

# By the name that programs use; forms have words of their own for each.
RECIPES: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "bytes-32": lambda: secrets.token_bytes(32),
        "bytes-64": lambda: secrets.token_bytes(64),
        "base64-32": lambda: base64.b64encode(secrets.token_bytes(32)),
        "hex-32": lambda: secrets.token_hex(32).encode(),
        "passphrase": lambda: secrets.token_urlsafe(32).encode(),
        "uuid": lambda: str(uuid.uuid4()).encode(),
    }
)


def made(recipe: str) -> bytes:
    """A new secret.

    Args:
        recipe: ``bytes-32``, ``bytes-64``: that many random bytes; ``base64-32``, ``hex-32``: 32
            random bytes as text; ``passphrase``: 43 characters of base64url; ``uuid``: a random
            UUID, of 122 random bits.

    Raises:
        MalformedRequestError: there is no such recipe.
    """
    make = RECIPES.get(recipe)
    if make is None:
        raise MalformedRequestError(f"a recipe is one of {', '.join(RECIPES)}")
    return make()
