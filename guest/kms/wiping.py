"""Secrets that are overwritten when they have done their work.

What Python allows: buffers of this program are wiped. Copies that libraries made, and values that
became text or ``bytes``, stay in memory until it is used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def wipe(secret: bytearray) -> None:
    """Overwrite with zeros, in place."""
    secret[:] = bytes(len(secret))


@contextmanager
def wiping(secret: bytearray) -> Iterator[bytearray]:
    """The secret, wiped when the block is left, whichever way."""
    try:
        yield secret
    finally:
        wipe(secret)
