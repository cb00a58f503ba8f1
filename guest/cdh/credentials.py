"""Credentials that are fetched when the guest begins to serve (guest.md, section 7.1).

Drivers of key management services find them as files in one folder, which lies in memory. Each file
is there whole or not at all; one that cannot be fetched or written stops the start.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from guest.errors import CredentialError
from guest.kms.ports import ResourceFetcher

DEFAULT_FOLDER = Path("/run/confidential-containers/cdh/kbs")


@dataclass(frozen=True, slots=True)
class Credential:
    """A resource and the file that it becomes.

    Attributes:
        path: of the file, below the folder of credentials.
        resource_uri: of what is in it.
    """

    path: Path
    resource_uri: str


def is_below(path: PurePath, folder: PurePath) -> bool:
    """Whether a path without dot segments leads to something inside of a folder."""
    return ".." not in path.parts and path != folder and path.is_relative_to(folder)


def write_credentials(
    credentials: Sequence[Credential], folder: Path, fetch: ResourceFetcher
) -> None:
    """Fetch all, and then write each for this guest's user alone.

    Args:
        credentials: in any order.
        folder: is made, with everything below it that is missing, for this user alone.
        fetch: brings resources.

    Raises:
        CredentialError: a file cannot be written, or would be written outside of the folder.
        GuestError: one could not be fetched; nothing is written then.
    """
    fetched = [(each.path, fetch(each.resource_uri)) for each in credentials]
    for path, content in fetched:
        try:
            _make_folders(path.parent, folder)
            _write(path, content)
        except OSError as error:
            raise CredentialError(f"{path} cannot be written: {error.strerror}") from error


def _make_folders(parent: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_below(parent / "file", folder):
        raise CredentialError(f"{parent} is not in the folder of credentials")
    for part in [*reversed(parent.relative_to(folder).parents), parent.relative_to(folder)]:
        within = folder / part
        within.mkdir(mode=0o700, exist_ok=True)
        # A link could lead out of the folder; whoever could make one is not this guest.
        if not stat.S_ISDIR(within.lstat().st_mode):
            raise CredentialError(f"{within} is no folder")


def _write(path: Path, content: bytes) -> None:
    """Beside the file first, for this user alone, and then in its place."""
    beside = path.with_name(f".{path.name}.new")
    # What a crash left.
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
