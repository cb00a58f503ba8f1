"""What the Confidential Data Hub keeps on this machine: credentials, and what mounting needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guest.cdh.credentials import DEFAULT_FOLDER, Credential, is_below
from guest.sections import Section
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.resource_uri import ResourceURI

DEFAULT_VOLUMES_FOLDER = Path("/run/confidential-containers/cdh/volumes")

# What stock hubs read of the kernel's command line: ``<resource URI>::<path>``, commas between.
RESOURCES_ARGUMENT = "cdh.kbs_resources="


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Files of the hub.

    Attributes:
        credentials: fetched when the guest begins to serve.
        credentials_folder: below which they are written.
        volumes_folder: for headers of disks while they are opened, and for what buckets hold
            encrypted; on a file system in memory.
    """

    credentials: tuple[Credential, ...] = ()
    credentials_folder: Path = DEFAULT_FOLDER
    volumes_folder: Path = DEFAULT_VOLUMES_FOLDER


def parse_hub(root: Section) -> HubSettings:
    """The keys of the hub, which stand at the root."""
    folder = _folder(root, "credentials_folder") or DEFAULT_FOLDER
    credentials = [_credential(each, folder) for each in root.sections("credentials")]
    paths = [each.path for each in credentials]
    if len(set(paths)) < len(paths):
        root.fault("credentials", "one path is there twice")
    return HubSettings(
        tuple(credentials), folder, _folder(root, "volumes_folder") or DEFAULT_VOLUMES_FOLDER
    )


def kernel_credentials(text: str | None) -> JSONObject:
    """Credentials that ``cdh.kbs_resources`` of the kernel's command line asks for."""
    pairs = [each.partition("::") for each in (text or "").split(",") if each]
    credentials = [{"resource_uri": uri, "path": path} for uri, _, path in pairs]
    return {"credentials": list(credentials)} if credentials else {}


def _credential(section: Section, folder: Path) -> Credential:
    path, uri = section.text("path") or "", section.text("resource_uri") or ""
    section.close()
    if not is_below(Path(path), folder) or "\0" in path:
        section.fault("path", f"must lead to a file below {folder}, without dot segments")
    try:
        ResourceURI.parse(uri)
    except WireError as error:
        section.fault("resource_uri", str(error))
    return Credential(Path(path), uri)


def _folder(root: Section, key: str) -> Path | None:
    text = root.text(key)
    if text is None:
        return None
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        root.fault(key, "must be the absolute path of a folder, without dot segments")
    return path
