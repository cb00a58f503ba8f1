"""What is mounted by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from guest.errors import MalformedMountError
from guest.mounts.requests import MountRequest


class VolumeMounter(Protocol):
    """Mounts volumes of one type."""

    def mount(self, request: MountRequest) -> None:
        """Mount a volume, or leave everything as it was.

        Raises:
            VolumeError: it was not mounted; any leaf.
            GuestError: what it needs could not be fetched.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mounter:
    """Mounts volumes of the types that are known.

    Attributes:
        volumes: by type.
    """

    volumes: Mapping[str, VolumeMounter]

    def mount(self, request: MountRequest) -> None:
        """As ``VolumeMounter``.

        Raises:
            MalformedMountError: the type is unknown.
        """
        volume = self.volumes.get(request.volume_type)
        if volume is None:
            raise MalformedMountError(f"volume_type is one of {', '.join(sorted(self.volumes))}")
        volume.mount(request)
