"""The one error of the wire: bytes that are not what was agreed."""

from __future__ import annotations


class WireError(ValueError):
    """What came over the wire does not parse. The message is safe to show to the sender."""
