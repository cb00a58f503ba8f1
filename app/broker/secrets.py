"""Secrets and their versions. What rests is sealed; metadata is not secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.trust.errors import MalformedResourceError

# wire.md section 6.2: no leading dot or slash, so no traversal and no hidden file can be named.
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}", re.ASCII)
_SEGMENTS = 3
# How many versions a list holds unless it is asked for more.
VERSION_PAGE = 100


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
        well_formed = all(_SEGMENT.fullmatch(segment) for segment in segments)
        if len(segments) != _SEGMENTS or not well_formed:
            raise MalformedResourceError(
                "a resource path is repository/type/tag, each of letters, digits, '_', '-' and "
                "'.', not starting with '.'"
            )
        return cls(*segments)

    def __str__(self) -> str:
        """``repository/type/tag``."""
        return f"{self.repository}/{self.type}/{self.tag}"


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """What the paths of a list begin with.

    Attributes:
        segments: whole ones: none, the repository, or repository and type.
        beginning: of the segment after them; empty for all.
    """

    segments: tuple[str, ...] = ()
    beginning: str = ""

    @classmethod
    def parse(cls, text: str) -> PathPrefix:
        """The prefix of a text: ``a/x/ke`` is repository ``a``, type ``x``, tags from ``ke`` on.

        Raises:
            MalformedResourceError: no path begins so.
        """
        *segments, beginning = text.split("/")
        whole = all(_SEGMENT.fullmatch(segment) for segment in segments)
        begun = not beginning or _SEGMENT.fullmatch(beginning)
        if len(segments) >= _SEGMENTS or not whole or not begun:
            raise MalformedResourceError(
                "no path begins so: a path is repository/type/tag, each of letters, digits, '_', "
                "'-' and '.'"
            )
        return cls(tuple(segments), beginning)

    def __str__(self) -> str:
        """As it is parsed."""
        return "/".join((*self.segments, self.beginning))


EVERY_PATH = PathPrefix()


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A version of a secret as it rests."""

    resource_id: ResourceID
    version: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """What may be told of a version without opening it.

    Attributes:
        size_bytes: of the plaintext.
        active: whether this version is released.
        restored_from: number of the version that it is a copy of; ``None`` for what was written.
    """

    resource_id: ResourceID
    version: int
    size_bytes: int
    created_at: datetime
    created_by: str
    active: bool
    restored_from: int | None = None


@dataclass(frozen=True, slots=True)
class DeletedSecret:
    """A secret that no guest gets any more and whose versions are still here.

    Attributes:
        version: the number of its newest version.
        deleted_by: ``None`` when it was deleted by a release that did not write this down.
    """

    resource_id: ResourceID
    version: int
    deleted_at: datetime
    deleted_by: str | None


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

    def find_version(self, resource_id: ResourceID, version: int) -> SealedSecret | None:
        """A version by its number, of a deleted secret too."""
        ...

    def delete(self, resource_id: ResourceID, at: datetime, by: str) -> bool:
        """Take the secret away from guests; its versions stay. Whether there was one."""
        ...

    def versions(
        self, resource_id: ResourceID, *, below: int | None = None, limit: int = VERSION_PAGE
    ) -> list[SecretVersion]:
        """Versions, newest first; empty when the secret never existed or was destroyed.

        Args:
            resource_id: of the secret.
            below: only numbers below this one.
            limit: at most this many.
        """
        ...

    def page(
        self, *, after: ResourceID | None, limit: int, within: PathPrefix = EVERY_PATH
    ) -> list[SecretVersion]:
        """The active version of each secret, by id, from the first id after ``after``.

        Args:
            after: an id, or ``None`` to begin with the first.
            limit: at most this many.
            within: what the paths begin with.
        """
        ...

    def folders(self, within: tuple[str, ...], *, after: str | None, limit: int) -> list[str]:
        """The repositories, or the types of one repository, that have a secret, in order.

        Args:
            within: empty for repositories, or the repository.
            after: a name, or ``None`` to begin with the first.
            limit: at most this many.
        """
        ...

    def find_deleted(self, resource_id: ResourceID) -> DeletedSecret | None:
        """The secret when it was deleted and its versions are still here."""
        ...

    def deleted(
        self, *, after: ResourceID | None, limit: int, until: datetime | None = None
    ) -> list[DeletedSecret]:
        """Deleted secrets whose versions are still here, by id, from the first after ``after``.

        Args:
            after: an id, or ``None`` to begin with the first.
            limit: at most this many.
            until: only what was deleted at this moment or before.
        """
        ...

    def destroy(self, deleted: DeletedSecret) -> bool:
        """Erase every version of a deleted secret, inside the caller's transaction.

        Its last number is kept, so that none is given twice. Whether it was done: not when the
        secret came back, or was deleted anew.
        """
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
