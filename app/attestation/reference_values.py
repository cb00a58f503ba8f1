"""Reference values: what claims are compared with, by name, with an expiry that is obeyed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.trust.json_types import JSONValue


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """One named value.

    Attributes:
        name: an opaque, case-sensitive text of 1 to 512 characters without control characters;
            ``snp_launch_measurement`` and ``rvps:///vendor/firmware:v2`` are names.
        value: any JSON; policies usually expect a list.
        expires_at: from then on the value does not exist for policies.
        source: where it came from: ``sample``, an extractor's name, a signer.
    """

    name: str
    value: JSONValue
    expires_at: datetime
    registered_at: datetime
    source: str


class ReferenceValueStore(Protocol):
    """Where reference values live."""

    def find(self, name: str) -> ReferenceValue | None:
        """The newest value of this name, expired or not."""
        ...

    def put(self, values: list[ReferenceValue], by: str) -> None:
        """Store all of them, replacing what had the same name; history is kept.

        Raises the ``reference_values`` revision.
        """
        ...

    def withdraw(self, name: str, at: datetime, by: str) -> bool:
        """Take a value away; whether there was one. Raises the ``reference_values`` revision."""
        ...

    def page(self, *, after: str | None, limit: int) -> list[ReferenceValue]:
        """Values by name, from the first name after ``after``."""
        ...
