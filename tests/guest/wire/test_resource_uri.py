"""Resource URIs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.errors import WireError
from guest.wire.resource_uri import ResourceURI


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kbs",
        "kbs:",
        "kbs:///",
        "kbs://host",
        "kbs:/a/b/c",
        "a/b/c",
        "/a/b/c",
        "http:///a/b/c",
        "kbsx:///a/b/c",
        "kbs+:///a/b/c",
        "kbs+_x:///a/b/c",
        "kbs+a+b:///c",
        "kbs:////b/c",
        "kbs:///a//c",
        "kbs:///a/b/",
        "kbs:///a/./c",
        "kbs:///a/../c",
        "kbs:///a/%2e%2E/c",
        "kbs:///a/.%2e/c",
        "kbs:///a/b c/d",
        "kbs:///a/b\n/c",
        "kbs:///a/b/c\r\nX: y",
        "kbs:///a/b/é",
        "kbs:///a/%zz/c",
        "kbs:///a/b/c?x=y z",
        "kbs:///a/b/c?\t",
        "kbs://ho st/a/b",
        "kbs:///" + "a/" * 3000 + "b",
    ],
)
def test_refuses_what_is_no_resource_uri(text: str) -> None:
    """What a URL parser on the way could read differently is refused here."""
    with pytest.raises(WireError):
        ResourceURI.parse(text)


@pytest.mark.parametrize(
    ("text", "plugin", "segments", "query"),
    [
        ("kbs:///a/b/c", "resource", ("a", "b", "c"), ""),
        ("kbs://host:8080/a/b/c", "resource", ("a", "b", "c"), ""),
        ("kbs://repo/type/tag", "resource", ("type", "tag"), ""),
        ("kbs+nebula-ca:///credential?name=a", "nebula-ca", ("credential",), "name=a"),
        ("KBS+Nebula-CA:///c", "nebula-ca", ("c",), ""),
        ("kbs+resource:///a/b/c", "resource", ("a", "b", "c"), ""),
        ("kbs:///a/b%20c/d?x=y&z=%2F#frag", "resource", ("a", "b%20c", "d"), "x=y&z=%2F"),
        ("kbs:///a", "resource", ("a",), ""),
    ],
)
def test_parses(text: str, plugin: str, segments: tuple[str, ...], query: str) -> None:
    """guest.md, section 6: the host routes nothing, the fragment is dropped."""
    uri = ResourceURI.parse(text)
    assert (uri.plugin, uri.segments, uri.query) == (plugin, segments, query)


def test_prints_the_short_scheme_of_the_resource_plugin() -> None:
    """``kbs+resource`` is ``kbs``."""
    assert str(ResourceURI.parse("kbs+resource://h/a/b/c?q")) == "kbs://h/a/b/c?q"
    assert str(ResourceURI.parse("kbs+pkcs11:///a")) == "kbs+pkcs11:///a"
    assert ResourceURI.parse("kbs:///a/b/c?x=y").path == "a/b/c?x=y"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="kbs+:/?#%2eE.a~ é\n", max_size=30))
def test_what_parses_prints_itself(text: str) -> None:
    """Printing and parsing again gives the same; everything else is a WireError."""
    try:
        uri = ResourceURI.parse(text)
    except WireError:
        return
    assert ResourceURI.parse(str(uri)) == uri
