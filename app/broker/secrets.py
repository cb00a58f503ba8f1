"""Secrets and their versions. What rests is sealed; metadata is not secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.trust.errors import MalformedResourceError

# wire.md section 6.2: no leading dot or slash, so no traversal and no hidden file can be named.
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ResourceID:
    """``repository/type/tag``."""

    repository: str
    type: str
    tag: str

    @classmethod
    def of(cls, segments: list[str]) -> ResourceID:
        """The id of exactly three well-formed segments.

        Raises:
            MalformedResourceError: another count, or a character outside ``[A-Za-z0-9_.-]``, or a
                leading dot.
        """
        if len(segments) != 3 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise MalformedResourceError(
                "a resource path is repository/type/tag, each of letters, digits, '_', '-' and "
                "'.', not starting with '.'"
            )
        return cls(*segments)

    def __str__(self) -> str:
        """``repository/type/tag``."""
        return f"{self.repository}/{self.type}/{self.tag}"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """The active version of a secret as it rests."""

    resource_id: ResourceID
    version: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """What may be told of a version without opening it.

    Attributes:
        size_bytes: of the plaintext.
        active: whether this version is released.
    """

    resource_id: ResourceID
    version: int
    size_bytes: int
    created_at: datetime
    created_by: str
    active: bool


class SecretStore(Protocol):
    """Where sealed secrets live; ``app/broker/backends`` has one implementation a place."""

    def find(self, resource_id: ResourceID) -> SealedSecret | None:
        """The active version, or ``None`` when there is none or it was deleted."""
        ...

    def next_version(self, resource_id: ResourceID) -> int:
        """The number that the next version will have, inside the caller's transaction."""
        ...

    def add(self, version: SecretVersion, sealed: bytes) -> None:
        """Append a version and make it the active one, inside the caller's transaction.

        Raises:
            ConflictError: the version exists.
        """
        ...

    def delete(self, resource_id: ResourceID, at: datetime) -> bool:
        """Take the secret away from guests; versions stay until purged. Whether there was one."""
        ...

    def versions(self, resource_id: ResourceID) -> list[SecretVersion]:
        """Every version, newest first; empty when the secret never existed."""
        ...

    def page(
        self, *, after: ResourceID | None, limit: int, within: tuple[str, ...] = ()
    ) -> list[SecretVersion]:
        """The active version of each secret, by id, from the first id after ``after``.

        Args:
            after: an id, or ``None`` to begin with the first.
            limit: at most this many.
            within: the repository, or repository and type, that the ids begin with.
        """
        ...

    def repositories(self, limit: int) -> list[str]:
        """The first repositories that have a secret, in order."""
        ...

    def sealed_versions(self) -> list[SealedSecret]:
        """Every sealed version; for rewrapping under another key-encryption key."""
        ...

    def replace_sealed(self, secret: SealedSecret) -> None:
        """Store the rewrapped form of a version, inside the caller's transaction."""
        ...


def associated_data(resource_id: ResourceID, version: int) -> bytes:
    """What a sealed secret is bound to: its path and its version."""
    return f"secret/{resource_id}/{version}".encode()
