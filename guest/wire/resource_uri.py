"""Resource URIs: ``kbs:///repository/type/tag`` and ``kbs+plugin:///…`` (guest.md, section 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guest.wire.errors import WireError

RESOURCE_PLUGIN = "resource"

_LIMIT = 4096
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>[^/?#]*)"
    r"/(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?"
    r"(?:#.*)?"
)
_PLUGIN = re.compile(r"[a-z0-9][a-z0-9.-]*")
# What RFC 3986 allows in a host and port, in a path segment, and in a query.
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class ResourceURI:
    """Where a resource lies at a Key Broker Service, whichever that is.

    Attributes:
        plugin: the client plugin; ``resource`` for the scheme ``kbs``.
        segments: the path, split at its slashes and not percent-decoded; at least one, none empty.
        query: as written, without the question mark; ``""`` for none.
        host: kept for printing; it routes nothing.
    """

    plugin: str
    segments: tuple[str, ...]
    query: str = ""
    host: str = ""

    @classmethod
    def parse(cls, text: str) -> ResourceURI:
        """A resource URI; its fragment is dropped.

        Raises:
            WireError: another scheme, a plugin that is no name, an empty, ``.`` or ``..`` segment,
                or characters that no URI has.
        """
        match = _URI.fullmatch(text) if len(text) <= _LIMIT else None
        if match is None:
            raise WireError("not a resource URI, which reads kbs:///repository/type/tag")
        segments = tuple(match["path"].split("/"))
        query = match["query"] or ""
        if not all(map(_is_plain_segment, segments)):
            raise WireError("a segment of the resource URI is empty, a dot segment, or not a URI's")
        if not _QUERY.fullmatch(query) or not _HOST.fullmatch(match["host"]):
            raise WireError("the resource URI holds characters that no URI has")
        return cls(_plugin(match["scheme"].lower()), segments, query, match["host"])

    @property
    def path(self) -> str:
        """The path without a leading slash, and the query, as they follow the plugin in a URL."""
        path = "/".join(self.segments)
        return f"{path}?{self.query}" if self.query else path

    def __str__(self) -> str:
        scheme = "kbs" if self.plugin == RESOURCE_PLUGIN else f"kbs+{self.plugin}"
        return f"{scheme}://{self.host}/{self.path}"


def _plugin(scheme: str) -> str:
    if scheme == "kbs":
        return RESOURCE_PLUGIN
    prefix, _, plugin = scheme.partition("+")
    if prefix != "kbs":
        raise WireError("the scheme of a resource URI is kbs or kbs+<plugin>")
    if not _PLUGIN.fullmatch(plugin):
        raise WireError("the scheme kbs+ requires the name of a plugin")
    return plugin


def _is_plain_segment(segment: str) -> bool:
    # Escaped dots are dot segments to every URL parser on the way (WHATWG URL).
    plain = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
    return bool(_SEGMENT.fullmatch(segment)) and plain not in {".", ".."}
