"""What every driver's tests need to know of its service."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from guest.kms.ports import KMS, KMSOptions
from guest.kms.registry import open_kms
from guest.kms_settings import KMSAccess


def no_resource(uri: str) -> bytes:
    """Drivers of these services fetch nothing from the KBS."""
    raise AssertionError(uri)


@dataclass(frozen=True)
class Rig:
    """A running service, and what is to be asked of it.

    Attributes:
        provider: name of the driver.
        settings: ``provider_settings`` that fit.
        access: with credentials that may do all that is asked.
        key_id: of a key.
        other_key_id: of another one that works as well.
        missing_key_id: of none.
        annotations: something to be bound; ``{}`` when the service binds nothing.
        changed: annotations with which that must not open.
        denied: with credentials that may do nothing.
        bad_settings: ``provider_settings`` that do not fit.
        bad_key_ids: that are none.
        bad_annotations: that do not fit.
        credentials: texts that must be seen nowhere.
        at: the same access towards another server; ``None`` where no server is asked.
    """

    provider: str
    settings: dict[str, Any]
    access: KMSAccess
    key_id: str
    other_key_id: str
    missing_key_id: str
    annotations: dict[str, Any]
    changed: tuple[dict[str, Any], ...]
    denied: KMSAccess
    bad_settings: tuple[dict[str, Any], ...]
    bad_key_ids: tuple[str, ...]
    bad_annotations: tuple[dict[str, Any], ...]
    credentials: tuple[str, ...]
    at: Callable[[str], KMSAccess] | None = None

    def config(self) -> dict[str, Any]:
        """Settings of a guest that reaches the service."""
        known = {
            "credentials_folder": str(self.access.folder),
            "endpoint": self.access.endpoint,
            "cert": self.access.root_certificates,
            "authority": self.access.authority,
            "module": None if self.access.module is None else str(self.access.module),
        }
        given = {name: value for name, value in known.items() if value is not None}
        return {"kms": {self.provider: given}}

    def open(self, access: KMSAccess | None = None, **settings: Any) -> Any:
        """The service, with other access or other settings; ``...`` takes a setting away."""
        given = {**self.settings, **settings}
        given = {name: value for name, value in given.items() if value is not ...}
        opened: KMS = open_kms(self.provider, KMSOptions(no_resource, given, access or self.access))
        return opened


@dataclass(frozen=True)
class Credentials:
    """A folder of credentials."""

    folder: Path
    files: dict[str, Any] = field(default_factory=dict)

    def written(self) -> Path:
        """The folder, with its files: JSON of what is no text."""
        self.folder.mkdir(parents=True)
        for name, content in self.files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (self.folder / name).write_text(text)
        return self.folder


def towards(access: KMSAccess) -> Callable[[str], KMSAccess]:
    """Access with another endpoint."""
    return lambda url: replace(access, endpoint=url)
