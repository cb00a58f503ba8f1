"""Readers of reference value messages, one file for each type.

Each file exports ``EXTRACTOR``; which are enabled, and under which type, is decided where the
server is wired. A message is an operator's, so what an extractor checks is its form; whether it
checks a signature is its own business and said on its page.
"""

from __future__ import annotations

from typing import Protocol

from app.trust.json_types import JSONValue


class Extractor(Protocol):
    """One type of message.

    Attributes:
        type: ``type`` of the message.
    """

    type: str

    def extract(self, payload: str) -> dict[str, JSONValue]:
        """The values in a payload, by name.

        Raises:
            MalformedReferenceValueError: the payload is not of this type's form.
        """
        ...
