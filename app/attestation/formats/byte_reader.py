"""Reading little-endian binary structures from strangers, never past their end."""

from __future__ import annotations

from app.trust.errors import MalformedEvidenceError


class ByteReader:
    """A cursor over bytes; every read is bounded by what is there."""

    __slots__ = ("_data", "_name", "offset")

    def __init__(self, data: bytes, name: str) -> None:
        """Stand at the first byte.

        Args:
            data: what is read.
            name: what it is, for messages: ``the quote``.
        """
        self._data = data
        self._name = name
        self.offset = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.offset

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            MalformedEvidenceError: fewer are left.
        """
        if size > self.remaining:
            raise MalformedEvidenceError(
                f"{self._name} ends at byte {len(self._data)}, inside a field of {size} bytes"
            )
        start = self.offset
        self.offset += size
        return self._data[start : self.offset]

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, or as many as are left, without moving."""
        return self._data[self.offset : self.offset + size]

    def integer(self, size: int) -> int:
        """An unsigned little-endian integer of ``size`` bytes.

        Raises:
            MalformedEvidenceError: fewer bytes are left.
        """
        return int.from_bytes(self.take(size), "little")
