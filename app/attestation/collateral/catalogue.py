"""What vendors serve: for each collateral name an address, and how the document may be kept.

A catalogue is the only thing a vendor needs here. It is pure: it maps names, it fetches nothing.
``app/attestation/collateral/amd.py`` is the example to copy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol
from urllib.parse import urlsplit

from app.trust.errors import ConfigError

# Lower-case segments joined by "/", none of them empty or beginning with a dot: a name is a
# relative path that cannot leave its folder, on any file system.
# A segment is a file's name in an offline folder; the longest is two digests of 48 bytes in hex.
_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,199}(/[a-z0-9_-][a-z0-9._-]{0,199}){1,7}")


class Form(Enum):
    """How a document begins, so that an error page is never kept in the place of one."""

    PEM = b"-----BEGIN "
    DER = b"\x30"
    JSON = b"{"
    DER_OR_PEM = (b"\x30", b"-----BEGIN ")
    # Intel's PCCS serves the root's list as hex of DER.
    DER_OR_HEX = (b"\x30", b"30")
    # Hygon's own structure, of version 1.
    HYGON = b"\x01\x00\x00\x00"

    def fits(self, body: bytes) -> bool:
        """Whether the bytes begin as a document of this form does."""
        return body.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Question:
    """What is posted to a service that wants to be asked so (OCSP)."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class VendorDocument:
    """One document of a vendor's service.

    Attributes:
        url: where it is served; its origin is one of the catalogue's.
        form: how it begins.
        headers: lower-case names of response headers that belong to the document.
        max_age: how long a copy serves before a newer one is asked for; ``None`` for documents
            that never change.
        countable: whether there are only so many of its kind. A copy of a document whose name is
            made of unverified evidence is kept only once it has verified something
            (``CollateralKeeper``), or a flood of invented names would fill the store.
        question: what is posted; ``None`` for documents that are simply got.
    """

    url: str
    form: Form
    headers: tuple[str, ...] = ()
    max_age: timedelta | None = None
    countable: bool = True
    question: Question | None = None


class VendorCatalogue(Protocol):
    """The names of one vendor.

    Attributes:
        prefix: what its names begin with, ``/`` included.
        origins: ``scheme://host[:port]`` of the services it may be sent to.
    """

    @property
    def prefix(self) -> str: ...  # noqa: D102 - described above

    @property
    def origins(self) -> tuple[str, ...]: ...  # noqa: D102 - described above

    def find(self, name: str) -> VendorDocument | None:
        """The document of this name; ``None`` when the vendor has no such kind of document."""
        ...

    def offline_paths(self, name: str) -> Sequence[str]:
        """Other relative paths under which an offline folder may hold it, besides the name."""
        ...

    def standing(self, tee: str) -> Sequence[str]:
        """Names of documents that every verification of a TEE's evidence may need."""
        ...


def is_collateral_name(name: str) -> bool:
    """Whether the text is a name: lower case, 2 to 8 segments, nothing that could be a path's."""
    return _NAME.fullmatch(name) is not None


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of an address, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def checked_base_url(setting: str, url: str) -> str:
    """The base address without its last slash.

    Args:
        setting: what the operator calls it, for the fault.
        url: ``https``, or ``http`` on loopback; without user, query and fragment.

    Raises:
        ConfigError: it is not such an address.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError([f"{setting}: not a URL"]) from error
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError([f"{setting}: needs scheme and host, and nothing after the path"])
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigError([f"{setting}: needs https (http is for loopback only)"])
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
