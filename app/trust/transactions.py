"""The port of a database transaction: the service owns it, the store carries it out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Transactions(Protocol):
    """Opens transactions."""

    def __call__(self) -> AbstractContextManager[None]:
        """A block in which all writes of all stores happen together.

        Leaving it commits; leaving it by an exception rolls back and raises on. Writes outside of
        such a block are a programming error. Transactions do not nest.

        Raises:
            StoreUnavailableError: the database is locked, full, or out of reach.
        """
        ...
