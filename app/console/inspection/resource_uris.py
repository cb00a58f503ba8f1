"""A resource URI taken apart: what it names, and what would decide about it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from app.broker.plugins.enabled import Plugins
from app.broker.plugins.ports import Call
from app.broker.scopes import ScopedPolicy
from app.broker.secrets import ResourceID
from app.trust.errors import DomainError, MalformedResourceError
from guest.wire.errors import WireError
from guest.wire.resource_uri import RESOURCE_PLUGIN, ResourceURI

_RESOURCE_SEGMENTS = 3


@dataclass(frozen=True, slots=True)
class URIReport:
    """What a URI names.

    Attributes:
        uri: parsed.
        request: method and path that a guest asks a KBS with.
        code: the reason code with which this KBS would refuse whoever asks; empty when a policy
            would be asked.
        why: of that refusal.
        meant: the URI that was probably meant, when another one was written.
        exists: whether there is such a secret; ``None`` when that is not told or is no secret.
        policies: that would decide, the narrowest scope first; none when it is refused before.
    """

    uri: ResourceURI
    request: str
    code: str
    why: str
    meant: str
    exists: bool | None
    policies: tuple[ScopedPolicy, ...]


@dataclass(frozen=True, slots=True)
class URIInspector:
    """Takes URIs apart.

    Attributes:
        plugins: that answer guests.
        is_there: whether a secret has an active version.
        applicable: the policies that decide about a path, the plugin first.
    """

    plugins: Plugins
    is_there: Callable[[ResourceID], bool]
    applicable: Callable[[tuple[str, ...]], tuple[ScopedPolicy, ...]]

    def inspect(self, text: str, *, tells_existence: bool) -> URIReport:
        """What a URI names.

        Args:
            text: ``kbs:///r/t/g``, ``kbs+plugin:///…``, with or without a host, or a bare path.
            tells_existence: whether the caller may know which secrets there are.

        Raises:
            MalformedResourceError: it is no resource URI.
        """
        try:
            uri = ResourceURI.parse(_completed(text.strip()))
        except WireError as error:
            raise MalformedResourceError(str(error)) from error
        segments = tuple(unquote(segment) for segment in uri.segments)
        code, why = self._refusal(Call(uri.plugin, segments, dict(parse_qsl(uri.query))))
        is_secret = uri.plugin == RESOURCE_PLUGIN and not code
        exists = None
        if is_secret and tells_existence:
            exists = self.is_there(ResourceID.of(list(segments)))
        return URIReport(
            uri=uri,
            request=f"GET /kbs/v0/{uri.plugin}/{uri.path}",
            code=code,
            why=why,
            meant=_meant(uri),
            exists=exists,
            policies=() if code else self.applicable((uri.plugin, *segments)),
        )

    def _refusal(self, call: Call) -> tuple[str, str]:
        try:
            self.plugins.for_guests(call.plugin, "GET").check(call)
        except DomainError as error:
            return error.code, error.message
        return "", ""


def _completed(text: str) -> str:
    """A bare path as a URI: with or without its leading slash (guest.md 9, ``keyid``)."""
    if "://" in text:
        return text
    return f"kbs:///{text.removeprefix('/')}"


def _meant(uri: ResourceURI) -> str:
    """With two slashes the repository became the host, and the host routes nothing."""
    swallowed = uri.host and len(uri.segments) == _RESOURCE_SEGMENTS - 1
    if uri.plugin != RESOURCE_PLUGIN or not swallowed:
        return ""
    return f"kbs:///{uri.host}/{uri.path}"
